"""The page docs/how-to/dialects/desktop.md works as printed."""

from __future__ import annotations

import json
from pathlib import Path

from server.dialects.desktop.protocol import Code
from tests.dialects.printed import commands, sent
from tests.docs.pages import DOCS, blocks, text
from tests.serving import live_server

PAGE = DOCS / "how-to" / "dialects" / "desktop.md"


def test_the_printed_commands_work(tmp_path: Path) -> None:
    with live_server(tmp_path / "data") as running:
        answers = {line: sent(running.client, line) for line in commands(PAGE)}
    assert len(answers) == 9
    assert {
        line: answer.text for line, answer in answers.items() if answer.status_code != 200
    } == {}
    for line, answer in answers.items():
        if not line.endswith("image.png"):
            assert answer.json()["success"] is True, line


def test_every_code_and_setting_is_explained() -> None:
    page = text(PAGE)
    for code in Code:
        assert f"`{code.value}`" in page
    for option in ("upscaler", "model", "rate_limit", "enabled"):
        assert any(f"{option} = " in block for block in blocks(PAGE, "toml"))
    assert json.dumps("./custom/path") in page
