"""The page docs/how-to/dialects/desktop.md works as printed."""

from __future__ import annotations

from server.dialects.desktop.protocol import Code
from tests.dialects.printed import commands, sent
from tests.docs.pages import DOCS, blocks, text
from tests.serving import LiveServer

PAGE = DOCS / "how-to" / "dialects" / "desktop.md"
SETTINGS = "/api/settings"


def test_the_printed_commands_work(server: LiveServer) -> None:
    first, *others = commands(PAGE)
    number = sent(server.client, first).json()["data"]["id"]  # on the page it is 1
    before = server.client.get(SETTINGS).json()["data"]
    try:
        for line in others:
            meant = line.replace("image_1.png", f"image_{number}.png")
            meant = meant.replace("/history/1", f"/history/{number}")
            answer = sent(server.client, meant)
            assert answer.status_code == 200, (line, answer.text)
            is_image = answer.headers["content-type"] == "image/png"
            assert is_image or answer.json()["success"] is True, line
    finally:
        server.client.put(SETTINGS, json=before)
    assert len(others) == 8


def test_every_code_and_setting_is_explained() -> None:
    page = text(PAGE)
    for code in Code:
        assert f"`{code.value}`" in page
    for option in ("upscaler", "model", "rate_limit", "enabled"):
        assert any(f"{option} = " in block for block in blocks(PAGE, "toml"))
