"""The browser that tests look at pages with, and what they note of a visit."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
MISSING = "no chromium on this machine; `apt-get install chromium` (or the like) brings it"

#: On a machine whose purpose is testing, an unseen page is a failure.
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None and os.environ.get("CI") != "true", reason=MISSING
)

#: Milliseconds a test waits for what must appear; generous, since CI machines are slow and shared.
expect.set_options(timeout=30_000)


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser without a window."""
    assert CHROMIUM is not None, MISSING
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


class Witness:
    """What a page asked for and complained about.

    Args:
        url: the server's address, without a slash at the end.
        forgiven: a pattern of complaints that the test brings about.
        friends: addresses of others that the page may ask, without a slash at the end.
    """

    def __init__(
        self, page: Page, url: str, forgiven: str | None = None, friends: Iterable[str] = ()
    ) -> None:
        self.url = url
        self._friends = tuple(f"{friend}/" for friend in friends)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._forgiven = forgiven
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self._note(str(error)))
        page.on("console", self._hear)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._note(message.text)

    def _note(self, text: str) -> None:
        if self._forgiven is None or not re.search(self._forgiven, text):
            self.complaints.append(text)

    @property
    def strangers(self) -> list[str]:
        """What was asked of anybody but the server and its friends."""
        inside = (f"{self.url}/", *self._friends, "data:", "blob:")
        return [url for url in self.requests if not url.startswith(inside)]


@contextmanager
def visit(
    browser: Browser,
    url: str,
    path: str = "/",
    *,
    forgiven: str | None = None,
    friends: Iterable[str] = (),
    **context: Any,
) -> Iterator[Page]:
    """Somebody who was never here looks at a page. In the end nothing was amiss, and nobody but the
    server and its friends was asked for anything."""
    visitor = browser.new_context(**context)
    page = visitor.new_page()
    witness = Witness(page, url, forgiven, friends)
    page.goto(f"{url}{path}")
    yield page
    visitor.close()
    assert witness.strangers == []
    assert witness.complaints == [], witness.complaints
