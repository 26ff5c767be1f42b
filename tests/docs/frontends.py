"""Servers of front ends, and the lines of curl that the page for their authors prints."""

from __future__ import annotations

import contextlib
import functools
import json
import shlex
import subprocess
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from tests.browser.chromium import visit
from tests.docs.pages import DOCS, blocks
from tests.serving import LiveServer

PAGE = DOCS / "how-to" / "frontend.md"
ADDRESS = "http://127.0.0.1:8000"

(HTML,) = blocks(PAGE, "html")
*PARTS, SESSION = blocks(PAGE, "js")
MODULE = "\n".join(PARTS)


@contextlib.contextmanager
def listening(port: int, handler: Any) -> Iterator[str]:
    """Someone else's server in a thread; its address."""
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as other:
        thread = threading.Thread(target=other.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{other.server_port}"
        finally:
            other.shutdown()
            thread.join()


class Folder(SimpleHTTPRequestHandler):
    """Serves the files of a front end."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def hosted(folder: Path, server: LiveServer) -> Iterator[str]:
    """The page of plain JavaScript, on a port of its own, for this server."""
    folder.mkdir(exist_ok=True)
    (folder / "index.html").write_text(HTML, encoding="utf-8")
    module = MODULE.replace(ADDRESS, server.url)
    assert module.count(server.url) == 1
    (folder / "darkroom.js").write_text(module, encoding="utf-8")
    (folder / "favicon.ico").touch()  # for which browsers ask
    with listening(0, functools.partial(Folder, directory=str(folder))) as address:
        yield address


@contextlib.contextmanager
def visited(
    browser: Browser, folder: Path, server: LiveServer, path: str = "/", forgiven: str | None = None
) -> Iterator[Page]:
    """The page, which asks its own host and this server alone, and complains of nothing."""
    with (
        hosted(folder, server) as address,
        visit(browser, address, path, forgiven=forgiven, friends=[server.url]) as page,
    ):
        yield page


def lines_of_curl(server: LiveServer, job_id: str = "") -> list[list[str]]:
    commands = [shlex.split(block.replace("\\\n", " ")) for block in blocks(PAGE, "sh")]
    assert all(words[0] == "curl" for words in commands)
    return [
        [word.replace(ADDRESS, server.url).replace("JOB_ID", job_id) for word in words]
        for words in commands
    ]


def first_event(words: list[str]) -> dict[str, Any]:
    """The data of the first event of a stream without an end."""
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as curl:
        assert curl.stdout is not None
        data = next(line for line in curl.stdout if line.startswith(b"data: "))
        curl.kill()
    event: dict[str, Any] = json.loads(data.removeprefix(b"data: "))
    return event
