"""Commands that the pages of dialects print, sent to a server of the tests."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import httpx

from tests.docs.pages import text

CURL = re.compile(r"^curl .*$", re.MULTILINE)


def commands(page: Path) -> list[str]:
    """The calls of curl on a page, in order."""
    return CURL.findall(text(page))


def sent(client: httpx.Client, command: str) -> httpx.Response:
    """What a printed call of curl is answered by the server of `client`."""
    words = iter(shlex.split(command)[1:])
    method, url, headers, body = None, "", {}, None
    for word in words:
        match word:
            case "-X":
                method = next(words)
            case "-H":
                name, _, value = next(words).partition(": ")
                headers[name] = value
            case "-d":
                body = next(words)
            case "-o":
                next(words)
            case _:
                url = word
    options: dict[str, Any] = {"headers": headers, "content": body}
    method = method or ("GET" if body is None else "POST")
    return client.request(method, httpx.URL(url).raw_path.decode(), **options)
