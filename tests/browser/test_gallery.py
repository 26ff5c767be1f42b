"""The gallery of the page: long, live, searched, looked at large, reused, thinned out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.chromium import needs_chromium, visit
from tests.browser.filling import fill, name_of
from tests.serving import LiveServer, live_server
from tests.support import MEASURED

pytestmark = needs_chromium

MANY = 10_000

#: What a gallery may hold at once, however long it is: nodes of the document, and bytes of scripts'
#: memory beyond those of its beginning.
MOST_NODES = 4_000
MOST_BYTES = 12_000_000

#: Of tiles: where they are in the list, and what they show.
PLACES = "tiles => tiles.map(tile => [tile.dataset.index, tile.getAttribute('aria-label')])"

#: The list is read anew, as after a lost connection.
RELOAD = "import('/static/page/state/gallery.js').then(gallery => gallery.reload())"

AT_THE_END = "scrollY + innerHeight >= document.documentElement.scrollHeight - 2"


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with ten thousand images."""
    data = tmp_path_factory.mktemp("long") / "data"
    fill(data, MANY)
    with live_server(data) as running:
        yield running


@pytest.fixture
def short(tmp_path: Any) -> Iterator[LiveServer]:
    """A server with thirty images, for a test of its own."""
    fill(tmp_path / "data", 30)
    with live_server(tmp_path / "data") as running:
        yield running


def tile(page: Page, number: int) -> Locator:
    return page.get_by_role("link", name=f"picture {number}", exact=True)


def memory(page: Page) -> dict[str, float]:
    """What the page holds, after the browser has cleaned up."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    found = session.send("Performance.getMetrics")["metrics"]
    session.detach()
    return {each["name"]: each["value"] for each in found}


def test_ten_thousand_images_are_scrolled_to_the_end(
    browser: Browser, long: LiveServer, record_property: Any
) -> None:
    """Wherever somebody stops, the pictures come; nothing jumps, and memory stays what it was."""
    large = {"width": 1600, "height": 1200}
    with visit(browser, long.url, "/#/gallery", viewport=large) as page:
        expect(tile(page, MANY - 1).locator("img")).to_be_visible()
        expect(page.get_by_text("10,000 pictures")).to_be_visible()
        before = memory(page)
        heights = set()
        while not page.evaluate(AT_THE_END):
            page.evaluate("scrollBy(0, 5 * innerHeight)")
            expect(page.locator(".tile.waiting")).to_have_count(0)
            heights.add(page.evaluate("document.documentElement.scrollHeight"))
        oldest = tile(page, 0).locator("img")
        expect(oldest).to_be_visible()
        expect(oldest).to_have_js_property("naturalWidth", 32)
        after = memory(page)
        text = (
            f"{after['Nodes']:.0f} nodes, {after['JSHeapUsedSize'] / 1e6:.1f} MB of scripts' memory"
        )
        record_property(MEASURED, f"gallery of {MANY} images, at its end: {text}")
        assert len(heights) == 1, "the page changed its height"
        assert after["Nodes"] < MOST_NODES
        assert after["JSHeapUsedSize"] - before["JSHeapUsedSize"] < MOST_BYTES


def test_somebody_jumps_to_the_end_and_back(browser: Browser, long: LiveServer) -> None:
    with visit(browser, long.url, "/#/gallery") as page:
        expect(tile(page, MANY - 1)).to_be_visible()
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        expect(tile(page, 0).locator("img")).to_be_visible()
        assert page.locator(".tile").last.get_attribute("aria-posinset") == str(MANY)
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight / 2)")
        expect(tile(page, MANY // 2)).to_be_visible()
        expect(page.locator(".tile.waiting")).to_have_count(0)
        places = page.locator(".tile a").evaluate_all(PLACES)
        assert len(places) > 20
        assert {int(place): label for place, label in places} == {
            int(place): f"picture {MANY - 1 - int(place)}" for place, _ in places
        }
        page.evaluate("scrollTo(0, 0)")
        expect(tile(page, MANY - 1)).to_be_visible()


def test_images_are_looked_at_beyond_what_was_loaded(browser: Browser, long: LiveServer) -> None:
    """A link leads to the last image of the first hundred, whose job is gone: its recipe is there
    with the list, the next hundred comes while somebody goes on, and the focus stays."""
    last = f"/#/gallery/{name_of(MANY - 100)}"
    with visit(browser, long.url, last, forgiven="status of 404") as page:
        viewer = page.get_by_role("dialog", name="Picture")
        expect(viewer.get_by_role("heading", name=f"picture {MANY - 100}")).to_be_visible()
        for place in range(101, 104):
            viewer.get_by_role("button", name="Older").click()
            expect(viewer.get_by_role("heading", name=f"picture {MANY - place}")).to_be_visible()
        expect(viewer.get_by_role("button", name="Older")).to_be_focused()
        page.keyboard.press("ArrowRight")
        expect(viewer.get_by_role("heading", name=f"picture {MANY - 104}")).to_be_visible()
        with page.expect_response("**/api/images?limit=100&cursor=*"):
            page.evaluate(RELOAD)
        page.keyboard.press("ArrowRight")
        expect(viewer.get_by_role("heading", name=f"picture {MANY - 105}")).to_be_visible()


def test_the_gallery_is_found_where_it_was_left(browser: Browser, long: LiveServer) -> None:
    with visit(browser, long.url, "/#/gallery") as page:
        expect(tile(page, MANY - 1)).to_be_visible()
        page.evaluate("scrollTo(0, 9000)")
        expect(page.locator(".tile").first).not_to_have_attribute("aria-posinset", "1")
        page.get_by_role("link", name="Server").click()
        expect(page.get_by_role("heading", name="Server")).to_be_visible()
        assert page.evaluate("scrollY") == 0
        page.get_by_role("link", name="Gallery").click()
        expect(page.locator(".tile").first).not_to_have_attribute("aria-posinset", "1")
        assert page.evaluate("scrollY") == 9000


@pytest.mark.parametrize("address", ["NONSENSE.png", "%E0%A4%A", "..%2Fjobs%2Fabc"])
def test_nonsense_in_the_address_breaks_nothing(
    browser: Browser, short: LiveServer, address: str
) -> None:
    asked: list[str] = []
    with visit(browser, short.url, f"/#/gallery/{address}", forgiven="status of 404") as page:
        page.on("request", lambda made: asked.append(made.url))
        expect(tile(page, 29)).to_be_attached()
        said = page.get_by_text("There is no such picture")
        expect(said).to_have_count(1 if address == "NONSENSE.png" else 0)
        assert [url for url in asked if "jobs/abc" in url or ".." in url] == []


def test_what_came_while_nobody_was_connected_is_shown(browser: Browser, tmp_path: Path) -> None:
    """The server stops; elsewhere it makes a picture; when it is back, the open page has it."""
    fill(tmp_path / "data", 30)
    away = "ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET"
    with contextlib.ExitStack() as visits:
        with live_server(tmp_path / "data") as server:
            page = visits.enter_context(visit(browser, server.url, "/#/gallery", forgiven=away))
            expect(tile(page, 29)).to_be_visible()
        expect(page.get_by_text("The connection to the server is lost")).to_be_visible()
        with live_server(tmp_path / "data") as elsewhere:
            elsewhere.made("black in the meantime")
        with live_server(tmp_path / "data", port=server.port):
            expect(page.get_by_role("link", name="black in the meantime")).to_be_visible()
            expect(page.get_by_text("The connection to the server is lost")).to_have_count(0)
            page.get_by_role("link", name="Make").click()
            card = page.get_by_role("article", name="black in the meantime")
            expect(card).to_have_attribute("data-status", "completed")
            visits.close()  # the server waits for its streams to end


def test_a_stream_that_was_refused_is_asked_for_again(browser: Browser, short: LiveServer) -> None:
    """EventSource itself gives up after an answer that is an error."""
    with visit(browser, short.url, forgiven="status of 503") as page:
        page.route("**/api/sse/*", lambda route: route.fulfill(status=503), times=2)
        page.goto(f"{short.url}/?again#/gallery")
        expect(tile(page, 29)).to_be_visible()
        short.made("white after all")
        expect(page.get_by_role("link", name="white after all")).to_be_visible()


def test_search_and_filters(browser: Browser, long: LiveServer) -> None:
    with visit(browser, long.url, "/#/gallery") as page:
        page.get_by_role("searchbox", name="Search the pictures").fill("picture 4321")
        expect(page.get_by_text("1 picture", exact=True)).to_be_visible()
        expect(tile(page, 4321)).to_be_visible()
        page.get_by_role("searchbox").fill("")
        page.get_by_role("combobox", name="Model").select_option("colours-four-step")
        expect(page.get_by_text("5,000 pictures")).to_be_visible()
        expect(tile(page, MANY - 2)).to_be_visible()
        expect(tile(page, MANY - 1)).to_have_count(0)
        page.get_by_role("searchbox").fill("no such words")
        page.get_by_role("button", name="Show all").click()
        expect(page.get_by_text("10,000 pictures")).to_be_visible()
        expect(page.get_by_role("searchbox")).to_have_value("")


def test_new_images_come_by_themselves(browser: Browser, short: LiveServer) -> None:
    """At the top they join at once; further down they wait, and nothing moves."""
    with visit(browser, short.url, "/#/gallery", viewport={"width": 500, "height": 500}) as page:
        expect(tile(page, 29)).to_be_visible()
        short.made("red at the top")
        newest = page.locator(".tile a").first
        expect(newest).to_have_attribute("aria-label", "red at the top")
        expect(page.get_by_text("31 pictures")).to_be_visible()
        page.evaluate("scrollTo(0, 900)")
        expect(page.locator('[data-index="0"]')).to_have_count(0)  # it knows where it is
        seen = page.locator('[data-index="15"]').get_attribute("aria-label")
        short.made("green meanwhile")
        page.get_by_role("button", name="1 new picture").click()
        expect(page.get_by_role("link", name="green meanwhile")).to_be_visible()
        expect(page.locator('[data-index="16"]')).to_have_attribute("aria-label", str(seen))


def test_an_image_is_looked_at_with_the_keyboard(browser: Browser, short: LiveServer) -> None:
    with visit(browser, short.url, "/#/gallery") as page:
        expect(tile(page, 29)).to_be_visible()
        page.locator('.tile a[tabindex="0"]').focus()
        page.keyboard.press("ArrowRight")
        expect(tile(page, 28)).to_be_focused()
        page.keyboard.press("Enter")
        viewer = page.get_by_role("dialog", name="Picture")
        expect(viewer.get_by_role("heading", name="picture 28")).to_be_visible()
        expect(viewer.get_by_alt_text("picture 28")).to_have_js_property("naturalWidth", 64)
        page.keyboard.press("ArrowRight")
        expect(viewer.get_by_role("heading", name="picture 27")).to_be_visible()
        expect(viewer.get_by_role("definition").filter(has_text="Colours")).to_be_visible()
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        expect(viewer.get_by_role("heading", name="picture 29")).to_be_visible()
        page.keyboard.press("Escape")
        expect(viewer).to_have_count(0)
        expect(page).to_have_url(f"{short.url}/#/gallery")


def test_a_finger_swipes_from_image_to_image(browser: Browser, short: LiveServer) -> None:
    phone = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True}
    with visit(browser, short.url, "/#/gallery", **phone) as page:
        tile(page, 20).tap()
        viewer = page.get_by_role("dialog", name="Picture")
        expect(viewer.get_by_role("heading", name="picture 20")).to_be_visible()
        swipe(page, 300, 80)
        expect(viewer.get_by_role("heading", name="picture 19")).to_be_visible()
        swipe(page, 80, 300)
        expect(viewer.get_by_role("heading", name="picture 20")).to_be_visible()


def swipe(page: Page, begin: int, end: int) -> None:
    """A finger goes across the screen."""
    session = page.context.new_cdp_session(page)
    for kind, across in (
        ("touchStart", begin),
        ("touchMove", (begin + end) // 2),
        ("touchMove", end),
    ):
        points = [{"x": across, "y": 300}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    session.detach()


def test_the_prompt_is_copied_and_the_file_saved(browser: Browser, short: LiveServer) -> None:
    allowed = {"permissions": ["clipboard-read", "clipboard-write"], "accept_downloads": True}
    with visit(browser, short.url, "/#/gallery", **allowed) as page:
        tile(page, 11).click()
        page.get_by_role("button", name="Copy prompt").click()
        expect(page.get_by_text("The prompt is copied.")).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == "picture 11"
        with page.expect_download() as saved:
            page.get_by_role("button", name="Download").click()
        name = saved.value.suggested_filename
        assert saved.value.path().read_bytes() == short.client.get(f"/api/images/{name}").content


def test_several_images_are_deleted_after_a_question(browser: Browser, short: LiveServer) -> None:
    def total() -> int:
        return int(short.client.get("/api/images").json()["total"])

    with visit(browser, short.url, "/#/gallery") as page:
        page.get_by_role("button", name="Select").click()
        page.get_by_role("checkbox", name="picture 25", exact=True).click()
        page.get_by_role("checkbox", name="picture 22", exact=True).click(modifiers=["Shift"])
        expect(page.get_by_text("4 pictures selected")).to_be_visible()
        toolbar = page.get_by_role("toolbar")
        toolbar.get_by_role("button", name="Delete").click()
        page.get_by_role("button", name="No").click()
        assert total() == 30
        toolbar.get_by_role("button", name="Delete").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(page.get_by_text("26 pictures", exact=True)).to_be_visible()
        expect(tile(page, 26)).to_be_visible()
        expect(tile(page, 23)).to_have_count(0)
        assert total() == 26
