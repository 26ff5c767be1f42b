"""How the page treats whoever uses it: contrast, names, keyboards, phones, motion, strangers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import needs_chromium, visit
from tests.browser.filling import fill
from tests.serving import LiveServer, live_server
from tests.support import COLOURS, GALLERY, fill_folder

pytestmark = needs_chromium

VIEWS = ["make", "gallery", "queue", "server"]
WIDE = {"width": 1400, "height": 900}
PHONE = {"width": 375, "height": 740}
NARROW = {"width": 320, "height": 640}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that has made pictures, failed at one, and has a plugin at fault."""
    folder = tmp_path_factory.mktemp("looks")
    plugins = fill_folder(folder / "plugins", COLOURS, GALLERY / "misspelt_hook.py")
    fill(folder / "data", 12)
    with live_server(folder / "data", plugin_folder=plugins) as running:
        running.made("red", num_images=2)
        running.made("raise")
        yield running


def show(page: Page, view: str) -> None:
    """Wait until a view has what it asks the server for."""
    expect(page.locator(f'nav a[href="#/{view}"]')).to_have_attribute("aria-current", "page")
    expected = {
        "make": ".card[data-status=completed] img",
        "gallery": ".tile img",
        "queue": ".numbers",
        "server": ".plugins li",
    }
    expect(page.locator(expected[view]).first).to_be_visible()


def faults(page: Page) -> list[str]:
    """What axe finds, the least serious too, as `rule: the element`."""
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"]]


@pytest.mark.parametrize(("theme", "size"), [("light", WIDE), ("dark", PHONE)])
def test_axe_finds_no_fault_in_any_view(
    browser: Browser, server: LiveServer, theme: Any, size: Any
) -> None:
    with visit(browser, server.url, color_scheme=theme, viewport=size) as page:
        found = {}
        for view in VIEWS:
            page.goto(f"{server.url}/#/{view}")
            show(page, view)
            found[view] = faults(page)
        page.goto(f"{server.url}/#/gallery")
        page.locator(".tile a").first.click()
        expect(page.get_by_role("button", name="Use these settings")).to_be_visible()
        found["viewer"] = faults(page)
        page.goto(f"{server.url}/#/make")
        page.get_by_role("button", name="Model").click()
        expect(page.get_by_role("dialog", name="Choose a model")).to_be_visible()
        found["models"] = faults(page)
        assert found == {view: [] for view in found}


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_is_cut_off_on_a_phone(browser: Browser, server: LiveServer, view: str) -> None:
    with visit(browser, server.url, f"/#/{view}", viewport=NARROW) as page:
        show(page, view)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 320
        bar = page.get_by_role("navigation", name="Views").bounding_box()
        assert bar is not None and bar["y"] + bar["height"] == pytest.approx(640, abs=1)


def test_the_theme_is_the_systems_until_one_is_chosen(browser: Browser, server: LiveServer) -> None:
    with visit(browser, server.url, color_scheme="dark") as page:
        ground = "getComputedStyle(document.body).backgroundColor"
        show(page, "make")
        dark = page.evaluate(ground)
        page.get_by_role("button", name="Theme: auto").click()
        expect(page.get_by_role("button", name="Theme: light")).to_be_visible()
        light = page.evaluate(ground)
        assert sum(channels(light)) > 600
        assert sum(channels(dark)) < 200
        page.reload()
        assert page.evaluate(ground) == light
        page.emulate_media(color_scheme="light")
        page.get_by_role("button", name="Theme: light").click()
        assert page.evaluate(ground) == dark


def channels(colour: str) -> list[int]:
    """Of `rgb(1, 2, 3)`: the numbers."""
    return [int(part) for part in colour[4:-1].split(",")]


def test_a_picture_is_made_and_opened_without_a_mouse(browser: Browser, server: LiveServer) -> None:
    with visit(browser, server.url) as page:
        show(page, "make")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        page.keyboard.press("Enter")
        press_until(page, "Tab", 'textarea[name="prompt"]')
        page.keyboard.type("yellow by hand")
        press_until(page, "Tab", 'button[type="submit"]')
        page.keyboard.press("Enter")
        card = page.get_by_role("article", name="yellow by hand")
        expect(card).to_have_attribute("data-status", "completed")
        press_until(page, "Tab", "a.picture")
        page.keyboard.press("Enter")
        viewer = page.get_by_role("dialog", name="Picture")
        expect(viewer.get_by_role("heading", name="yellow by hand")).to_be_visible()
        page.keyboard.press("Escape")
        expect(card.locator("a.picture")).to_be_focused()


def press_until(page: Page, key: str, selector: str) -> None:
    """Press a key until the focus is there; it must not take forever."""
    for _ in range(80):
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{selector} is not reached with {key}")


def test_nothing_moves_for_those_who_want_no_motion(browser: Browser, server: LiveServer) -> None:
    with visit(browser, server.url, reduced_motion="reduce") as page:
        show(page, "make")
        moving = page.evaluate(
            """() => [...document.querySelectorAll("*")].filter((element) => {
              const { animationName, transitionDuration } = getComputedStyle(element);
              return animationName !== "none" || parseFloat(transitionDuration) > 0;
            }).length"""
        )
        assert moving == 0


def test_scripts_and_styles_come_from_the_server_alone(server: LiveServer) -> None:
    answer = server.client.get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert " style=" not in answer.text and "<script>" not in answer.text
    for page in ("/docs", "/redoc", "/docs/errors"):
        rules = server.client.get(page).headers["content-security-policy"].split("; ")
        scripts = [rule for rule in rules if rule.startswith(("default-src", "script-src"))]
        assert scripts == ["default-src 'self'"], page


def test_every_module_is_short(server: LiveServer) -> None:
    """Under 250 lines each, and each can be had."""
    web = Path(__file__).parents[2] / "server" / "web"
    modules = sorted((web / "page").rglob("*.js"))
    assert {path.name: count for path in modules if (count := lines(path)) >= 250} == {}
    for path in modules:
        answer = server.client.get(f"/static/{path.relative_to(web).as_posix()}")
        assert answer.status_code == 200 and answer.content == path.read_bytes()


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_plugins_at_fault_are_seen_first(browser: Browser, server: LiveServer) -> None:
    told = server.client.get("/api/info").json()["plugins"]
    wrong = [plugin for plugin in told if not plugin["ok"]]
    assert "misspelt_hook" in [plugin["name"] for plugin in wrong]
    with visit(browser, server.url, "/#/server") as page:
        for place, plugin in enumerate(wrong):
            entry = page.locator(".plugins li").nth(place)
            expect(entry).to_contain_text(plugin["name"])
            expect(entry).to_contain_text("At fault")
            expect(entry.locator(".error")).to_have_text(plugin["error"])
        expect(page.get_by_text("Disk of images")).to_be_visible()


def test_the_queue_is_paused_and_resumed(browser: Browser, server: LiveServer) -> None:
    with visit(browser, server.url, "/#/queue") as page:
        page.get_by_role("button", name="Pause").click()
        expect(page.get_by_text("The queue is paused")).to_be_visible()
        assert server.client.get("/api/queue").json()["paused"] is True
        job = server.submit("white, later")
        row = page.locator(f'.row-job[data-job="{job}"]')
        expect(row).to_contain_text("Waiting at position 1")
        page.get_by_role("button", name="Resume").click()
        expect(row).to_have_attribute("data-status", "completed")
        assert server.client.get("/api/queue").json()["paused"] is False
