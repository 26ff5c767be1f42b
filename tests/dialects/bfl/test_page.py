"""What docs/how-to/dialects/bfl.md shows works as printed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from server.dialects.bfl.courier import PAUSES
from server.webhooks.sender import PATIENCE, signature
from tests.dialects.bfl import document
from tests.dialects.bfl.asking import picture, poll
from tests.docs.pages import DOCS, blocks, prose
from tests.serving import LiveServer, live_server

PAGE = DOCS / "how-to" / "dialects" / "bfl.md"
ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    aliases = {document.MODEL: "colours"}
    with live_server(
        tmp_path_factory.mktemp("data"), dialects={"bfl": {"aliases": aliases}}
    ) as running:
        yield running


def follow(server: LiveServer) -> Iterator[httpx.Response]:
    """Run every curl command of the page, with the newest task's id for `ID`; the answers."""
    task = ""
    for block in blocks(PAGE, "sh"):
        command, *words = shlex.split(block.replace("\\\n", " "))
        assert command == "curl"
        url = next(word for word in words if word.startswith(ADDRESS))
        options = dict(zip(words[1::2], words[2::2], strict=True)) if words[0] == url else {}
        headers = dict([options["-H"].split(": ")]) if "-H" in options else {}
        answer = server.client.request(
            "POST" if "-d" in options else "GET",
            url.removeprefix(ADDRESS).replace("ID", task),
            content=options.get("-d"),
            headers=headers,
        )
        if "-d" in options:
            task = answer.json()["id"]
            poll(server.client, answer.json()["polling_url"])
        yield answer


def test_the_commands_work_as_printed(server: LiveServer) -> None:
    submitted, state, image, history, own = follow(server)
    [printed, *_] = [json.loads(block) for block in blocks(PAGE, "json")]
    assert printed.keys() == submitted.json().keys()
    assert printed["polling_url"].startswith(ADDRESS)
    assert state.json()["status"] == "Ready"
    assert image.headers["content-type"] == "image/png"
    assert [entry["id"] for entry in history.json()] == [submitted.json()["id"]]
    told = poll(server.client, own.json()["polling_url"])
    assert picture(server.client, told["result"]["sample"]).size == (1024, 768)


def test_the_check_of_a_signature_works_as_printed() -> None:
    [code] = blocks(PAGE, "python")
    names: dict[str, Any] = {}
    exec(code, names)
    genuine = names["is_genuine"]
    assert genuine(b"{}", signature("hush", b"{}"), "hush")
    assert not genuine(b"{} ", signature("hush", b"{}"), "hush")


def test_the_page_tells_the_real_pauses() -> None:
    *first, last = map(str, PAUSES)
    text = " ".join(prose(PAGE).split())
    assert f"after {', '.join(first)} and {last} seconds" in text
    assert f"within {PATIENCE:g} seconds" in text
