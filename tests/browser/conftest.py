"""What tests of pages share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.chromium import visit
from tests.servers import ServerProcess
from tests.serving import LiveServer


@pytest.fixture
def page(browser: Browser, server: LiveServer | ServerProcess) -> Iterator[Page]:
    """The page of the module's `server`, as somebody sees it who was never there."""
    with visit(browser, server.url, viewport={"width": 1280, "height": 900}) as opened:
        yield opened
