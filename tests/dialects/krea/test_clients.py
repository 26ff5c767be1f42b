"""The clients that the documentation prints, run as printed but for the address."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page

from tests.browser.chromium import launched, needs_chromium
from tests.dialects.krea import document
from tests.dialects.krea.asking import Address, picture
from tests.plugins.colours import left_edge
from tests.serving import LiveServer


def test_the_client_in_python(
    api: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    program = document.CLIENT.replace(document.ADDRESS, api.url)
    exec(compile(program, "document", "exec"), names)
    saved = Image.open(tmp_path / "generated.png")
    assert saved.size == (1024, 1024)
    assert saved.getpixel((0, 0)) == left_edge("A serene Japanese garden")
    assert names["client"].health_check().keys() == document.HEALTH.keys()
    names["client"].session.close()
    assert base64.b64encode(names["image_bytes"]).decode() in names["image_data"]


@pytest.fixture(scope="module")
def page(server: LiveServer) -> Iterator[Page]:
    """A page of the dialect's own port."""
    with launched() as browser:
        opened = browser.new_page()
        opened.goto(f"{server.url_of('krea')}/health")
        yield opened


@needs_chromium
def test_the_scripts_for_pages(page: Page) -> None:
    script = f"async () => {{ {document.SCRIPT} {document.RETRIES} %s }}"
    image = page.evaluate(script % "return await generateWithRetry('a red house');")
    assert picture(image).getpixel((0, 0)) == left_edge("a red house")
    failed = script % "return await generateImage('').catch(error => error.message);"
    assert "connect" in page.evaluate(failed), "what the script makes of every error"


@needs_chromium
def test_the_script_for_the_socket(page: Page, server: LiveServer) -> None:
    url = f"{server.url_of('krea').replace('http', 'ws', 1)}/ws"
    script = document.SOCKET.replace(f"{document.ADDRESS.replace('http', 'ws', 1)}/ws", url)
    messages: list[dict[str, Any]] = page.evaluate(
        """([script, wish]) => new Promise((resolve) => {
            const ws = new Function(`${script}; return ws;`)();
            const heard = [];
            ws.addEventListener("open", () => ws.send(JSON.stringify(wish)));
            ws.addEventListener("message", (event) => {
                heard.push(JSON.parse(event.data));
                if (heard.at(-1).type !== "progress") resolve(heard);
            });
        })""",
        [script, document.WISH],
    )
    *progress, complete = messages
    assert {message["type"] for message in progress} <= {"progress"}
    assert complete["type"] == "complete"
    assert picture(complete["data"]["image"]).size == (1024, 1024)
