"""The documentation pages in a real browser: they work, and ask no other host for anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import launched, needs_chromium
from tests.serving import LiveServer, live_server

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as running:
        yield running


class Witness:
    """What a page asked for and complained about."""

    def __init__(self, page: Page, server: LiveServer) -> None:
        self.url = f"http://127.0.0.1:{server.port}"
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._hear)

    def _hear(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def swear(self) -> None:
        """Everything came from the server itself, and nothing was amiss."""
        inside = (self.url, "data:", "blob:")
        assert [url for url in self.requests if not url.startswith(inside)] == []
        assert self.complaints == []


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page()
    yield opened
    opened.close()


def test_swagger_ui_tries_a_request(page: Page, server: LiveServer) -> None:
    witness = Witness(page, server)
    page.goto(f"{witness.url}/docs", wait_until="networkidle")
    document = server.client.get("/openapi.json").json()
    count = sum(len(methods) for methods in document["paths"].values())
    expect(page.locator(".opblock")).to_have_count(count)
    page.locator("#operations-jobs-generate .opblock-summary-control").click()
    page.locator("#operations-jobs-generate .try-out__btn").click()
    with page.expect_response("**/api/generate*") as answered:
        page.locator("#operations-jobs-generate .execute").click()
    assert answered.value.status == 202
    server.finish(answered.value.json()["job_id"])
    witness.swear()


def test_redoc_shows_the_operations(page: Page, server: LiveServer) -> None:
    witness = Witness(page, server)
    page.goto(f"{witness.url}/redoc", wait_until="networkidle")
    expect(page.get_by_role("heading", name="Submit a job")).to_be_visible()
    expect(page.get_by_role("heading", name="Follow the gallery")).to_be_attached()
    page.get_by_placeholder("Search...").fill("thumbnail")
    expect(page.locator("[data-role='search:results']")).to_contain_text("thumbnail")
    witness.swear()


@pytest.mark.parametrize("path", ["/", "/docs/errors#queue_full"])
def test_other_pages(page: Page, server: LiveServer, path: str) -> None:
    witness = Witness(page, server)
    page.goto(f"{witness.url}{path}", wait_until="networkidle")
    expect(page.locator("h1")).to_be_visible()
    witness.swear()
