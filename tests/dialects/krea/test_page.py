"""What docs/how-to/dialects/krea.md shows works as printed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

import httpx

from server.dialects.krea import RATE_LIMITS
from server.dialects.krea.refusals import MEANINGS
from server.dialects.krea.sockets import MAX_MESSAGE, MOST_UNFINISHED
from tests.dialects.krea.asking import Address, generated, picture
from tests.docs.pages import DOCS, blocks, prose
from tests.serving import LiveServer

PAGE = DOCS / "how-to" / "dialects" / "krea.md"
ADDRESS = "http://127.0.0.1:8000/krea"


def follow(main: Address) -> Iterator[httpx.Response]:
    """Run every curl command of the page; the answers."""
    for line in "".join(blocks(PAGE, "sh")).splitlines():
        command, url, *words = shlex.split(line)
        assert command == "curl"
        assert url.startswith(ADDRESS)
        options = dict(zip(words[::2], words[1::2], strict=True))
        headers = dict([options["-H"].split(": ")]) if "-H" in options else {}
        yield main.client.request(
            "POST" if "-d" in options else "GET",
            url.replace(ADDRESS, main.url),
            content=options.get("-d"),
            headers=headers,
        )


def test_the_commands_work_as_printed(main: Address) -> None:
    made, *others = follow(main)
    image = generated(made)
    assert (image.size, image.getpixel((0, 0))) == ((512, 512), (200, 30, 30))
    [printed] = [json.loads(block) for block in blocks(PAGE, "json")]
    assert printed.keys() == made.json().keys()
    assert {answer.status_code for answer in others} == {200}


def test_the_program_for_the_socket_works_as_printed(main: Address, slowly: LiveServer) -> None:
    [program] = blocks(PAGE, "python")
    names: dict[str, Any] = {}
    where = ADDRESS.replace("http", "ws", 1), main.url.replace("http", "ws", 1)
    exec(compile(program.replace(*where), "page", "exec"), names)
    images = {name: picture(uri) for name, uri in names["images"].items()}
    assert images["red"].getpixel((0, 0)) == (200, 30, 30)
    assert images["blue"].getpixel((0, 0)) == (30, 60, 200)


def test_the_page_tells_the_real_limits() -> None:
    text = " ".join(prose(PAGE).split())
    rows = ["without a key", "tier `authenticated`", "tier `pro`"]
    for row, limit in zip(rows, RATE_LIMITS.values(), strict=True):
        minute, hour = (each.partition("/")[0] for each in limit.split("; "))
        assert f"| {row} | {minute} | {hour} |" in text
    assert f"At most {MOST_UNFINISHED} images" in text
    assert f"at most {MAX_MESSAGE // 1024} KiB" in text


def test_the_page_lists_every_status() -> None:
    section = prose(PAGE).partition("| Status | When |")[2]
    listed = {int(number) for number in section.replace(",", " ").split() if number.isdecimal()}
    assert listed > set(MEANINGS)
