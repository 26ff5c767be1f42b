"""Takes the pictures of the page that the documentation shows, of a real server with the embedded
model. It needs what the tests of the page need: `python docs/build_screenshots.py`."""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, expect

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
sys.path.insert(0, str(ROOT))

from tests.browser.chromium import launched, visit  # noqa: E402  (the folder is known only now)
from tests.servers import ServerProcess  # noqa: E402

WIDE = {"width": 1360, "height": 860}
PHONE = {"width": 390, "height": 844}

#: What is in the gallery when the pictures are taken.
PROMPTS = [
    "mountains at sunset",
    "a big red star on a blue background",
    "the sea at sunset with the sun and a yellow boat",
    "hills by day with the sun and a red house",
    "a city at night with the moon",
    "a big pink heart on a black background",
    "inkwash, mountains by day with clouds",
    "the sea in a storm with a red boat",
    "a desert by day with a green cactus",
    "a small white triangle beside a small red circle on a blue ground",
    "neon, a big yellow star on a purple background",
    "hills at night with the moon and stars",
    "the sea by day with a white boat",
]


def main() -> None:
    """Make pictures, then take pictures of them."""
    with (
        tempfile.TemporaryDirectory() as folder,
        ServerProcess(Path(folder) / "data") as server,
        launched() as browser,
    ):
        _fill(server)
        for name, take in SCREENSHOTS.items():
            print(f"docs/pictures/{name}.png")
            take(browser, server)


def _fill(server: ServerProcess) -> None:
    loras = {lora["name"]: lora["id"] for lora in server.get("/api/loras")["loras"]}
    for number, prompt in enumerate(PROMPTS * 3, start=40):
        wanted: dict[str, Any] = {"seed": number, "steps": 30}
        for name, word in (("Neon", "neon"), ("Ink wash", "inkwash")):
            if word in prompt:
                wanted["loras"] = [{"id": loras[name]}]
        server.wait(server.submit(prompt, **wanted))


def _keep(name: str, page: Page) -> None:
    """Store what is on the screen."""
    shown = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    shown.save(PICTURES / f"{name}.png", optimize=True)


def _make(browser: Browser, server: ServerProcess) -> None:
    with visit(browser, server.url, viewport=WIDE, color_scheme="dark") as page:
        page.get_by_label("Prompt", exact=True).fill(
            "the sea at sunset with the sun and a red boat"
        )
        page.locator("summary", has_text="Details").click()
        page.locator('input[name="steps"]').fill("50")
        for _ in range(3):
            page.keyboard.press("Control+Enter")
        expect(page.locator(".card").get_by_text("Step 2").first).to_be_visible()
        page.evaluate("scrollTo(0, 0)")
        _keep("page-make", page)
        expect(page.locator(".card[data-status=processing]")).to_have_count(0)


def _gallery(browser: Browser, server: ServerProcess) -> None:
    with visit(browser, server.url, "/#/gallery", viewport=WIDE, color_scheme="light") as page:
        _settle(page, ".tile img")
        _keep("page-gallery", page)


def _picture(browser: Browser, server: ServerProcess) -> None:
    with visit(browser, server.url, "/#/gallery", viewport=WIDE, color_scheme="dark") as page:
        page.get_by_role(
            "link", name="the sea at sunset with the sun and a yellow boat"
        ).first.click()
        expect(page.get_by_role("button", name="Use these settings")).to_be_visible()
        _settle(page, ".viewer-stage img")
        _keep("page-picture", page)


def _phone(browser: Browser, server: ServerProcess) -> None:
    screen = {"viewport": PHONE, "is_mobile": True, "has_touch": True, "device_scale_factor": 1.5}
    with visit(browser, server.url, color_scheme="dark", **screen) as page:
        page.get_by_role("button", name="a red circle on a blue background").click()
        page.mouse.move(0, 0)
        _settle(page, ".enrich option")
        _keep("page-phone", page)


def _server(browser: Browser, server: ServerProcess) -> None:
    with visit(browser, server.url, "/#/server", viewport=WIDE, color_scheme="dark") as page:
        _settle(page, ".plugins li")
        _keep("page-server", page)


def _settle(page: Page, selector: str) -> None:
    """Wait until all that is on its way is there."""
    expect(page.locator(selector).first).to_be_attached()
    page.wait_for_load_state("load")
    page.wait_for_timeout(800)


SCREENSHOTS: dict[str, Callable[[Browser, ServerProcess], None]] = {
    "page-make": _make,
    "page-gallery": _gallery,
    "page-picture": _picture,
    "page-phone": _phone,
    "page-server": _server,
}

if __name__ == "__main__":
    main()
