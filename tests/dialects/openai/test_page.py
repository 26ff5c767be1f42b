"""What docs/how-to/dialects/openai.md shows works as printed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.dialects.openai.protocol import MAX_IMAGES, Edit, Generation
from server.dialects.openai.refusals import DESCRIPTIONS
from tests.dialects.openai.asking import coloured, opened
from tests.docs.pages import DOCS, blocks, prose
from tests.serving import LiveServer

PAGE = DOCS / "how-to" / "dialects" / "openai.md"
ADDRESS = "http://127.0.0.1:8000"


def follow(server: LiveServer) -> Iterator[httpx.Response]:
    """Run every curl command of the page; the answers."""
    for line in "".join(blocks(PAGE, "sh")).splitlines():
        command, *words = shlex.split(line)
        assert command == "curl"
        [url] = [word for word in words if word.startswith(ADDRESS)]
        options = [word for word in words if word not in (url, "-N")]
        pairs = list(zip(options[::2], options[1::2], strict=True))
        form = dict(value.split("=", 1) for option, value in pairs if option == "-F")
        files = {name: coloured("red") for name, text in form.items() if text.startswith("@")}
        data = next((value for option, value in pairs if option == "-d"), None)
        yield server.client.request(
            "POST" if form or data else "GET",
            url.removeprefix(ADDRESS),
            headers=dict(value.split(": ") for option, value in pairs if option == "-H"),
            content=data,
            data={name: text for name, text in form.items() if name not in files} or None,
            files=files or None,
        )


def programs(server: LiveServer) -> list[str]:
    """The page's Python programs, for this server."""
    own = f"http://127.0.0.1:{server.port}"
    return [block.replace(ADDRESS, own) for block in blocks(PAGE, "python")]


def test_the_commands_work_as_printed(server: LiveServer) -> None:
    models, made, edited, streamed, with_key = follow(server)
    assert {answer.status_code for answer in (models, made, edited, streamed, with_key)} == {200}
    [printed] = [json.loads(block) for block in blocks(PAGE, "json")]
    assert made.json().keys() == printed.keys()
    assert made.json()["size"] == printed["size"]
    image = opened(server.client.get(made.json()["data"][0]["url"]).content)
    assert (image.size, image.getpixel((0, 0))) == ((128, 128), (255, 0, 0))
    assert opened(edited.json()["data"][0]["b64_json"]).getpixel((0, 0)) == (255, 0, 0)
    assert "event: image_generation.completed" in streamed.text


@pytest.mark.clients
def test_the_programs_work_as_printed(
    server: LiveServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    stream, retry = programs(server)
    names: dict[str, Any] = {}
    exec(compile(stream, "page", "exec"), names)
    assert opened((tmp_path / "star.png").read_bytes()).getpixel((0, 0)) == (255, 255, 0)
    capsys.readouterr()
    exec(compile(retry, "page", "exec"), names)
    first, second = capsys.readouterr().out.split()
    assert first == second, "the images of the first request"


def test_the_page_tells_every_word_and_status() -> None:
    text = prose(PAGE)
    section = text.partition("## What may be said")[2].partition("##")[0]
    words = {*Generation.model_fields, *Edit.model_fields} - {"model"}
    assert [word for word in words if f"`{word}`" not in section] == []
    assert f"up to {MAX_IMAGES} " in section
    errors = text.partition("## Errors")[2].partition("##")[0]
    assert [status for status in DESCRIPTIONS if f"{status}" not in errors and status != 416] == []
