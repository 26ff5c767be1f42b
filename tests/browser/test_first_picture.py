"""The page with the embedded model: from the first visit to a picture, found and used again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.chromium import needs_chromium
from tests.browser.pictures import Pixels, differ, pixels, shown
from tests.servers import ServerProcess

pytestmark = needs_chromium

#: Pictures that differ by less look alike.
VISIBLE = 4.0

#: Seconds for a large picture by a small model on one core.
PATIENCE = 120_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("page") / "data") as running:
        yield running


def ask(page: Page, prompt: str) -> Locator:
    """Type a prompt, send it with the keyboard, and find the card of the job."""
    page.get_by_label("Prompt", exact=True).fill(prompt)
    with page.expect_response("**/api/generate") as answered:
        page.keyboard.press("Control+Enter")
    return page.locator(f'.card[data-job="{answered.value.json()["job_id"]}"]')


def finish(card: Locator) -> Pixels:
    """Wait for the job of a card; its first picture as the server has it."""
    expect(card).to_have_attribute("data-status", "completed", timeout=PATIENCE)
    url = card.locator("a.picture img").first.get_attribute("src")
    answer = card.page.request.get(card.page.url.split("#")[0].rstrip("/") + str(url))
    return pixels(answer.body())


def keep_seed(page: Page, seed: int) -> None:
    page.locator('input[name="seed"]').fill(str(seed))


def resize(page: Page, width: int, height: int) -> None:
    page.get_by_text("Exact size").click()
    page.locator('input[name="width"]').fill(str(width))
    page.locator('input[name="height"]').fill(str(height))


def centre(picture: Pixels) -> Any:
    height, width, _ = picture.shape
    return picture[height // 3 : -height // 3, width // 3 : -width // 3].mean(axis=(0, 1))


def test_a_first_visit_ends_with_a_picture(page: Page) -> None:
    """Nothing is read, nothing set: a prompt, the keys, and there it is, on the card as on disk."""
    keep_seed(page, 7)
    card = ask(page, "a red circle on a blue background")
    picture = finish(card)
    edge = picture[:6].mean(axis=(0, 1))
    assert edge[2] > edge[0] + 40, "the background is not blue"
    assert centre(picture)[0] > centre(picture)[2] + 40, "the circle is not red"
    expect(card.locator("a.picture img")).to_have_js_property("naturalWidth", 128)
    seen = shown(card.locator("a.picture"))
    assert differ_in_colour(seen, picture) < 12
    page.get_by_role("link", name="Gallery").click()
    tile = page.get_by_role("link", name="a red circle on a blue background")
    expect(tile.locator("img")).to_be_visible()


def differ_in_colour(one: Pixels, other: Pixels) -> float:
    return float(np.abs(one.mean(axis=(0, 1)) - other.mean(axis=(0, 1))).max())


def test_a_picture_is_seen_developing(page: Page) -> None:
    """512 × 512 in 30 steps: the card looks different at least three times before it is done."""
    resize(page, 512, 512)
    page.get_by_text("Details").click()
    page.locator('input[name="steps"]').fill("30")
    card = ask(page, "a sailboat on the sea at sunset")
    developing = card.locator(".developing")
    expect(developing.locator("img")).to_be_visible(timeout=PATIENCE)
    seen = [shown(developing)]
    deadline = time.monotonic() + PATIENCE / 1000
    while developing.count() and len(seen) < 5 and time.monotonic() < deadline:
        now = glimpse(developing)
        if now is not None and differ(now, seen[-1]) > 0.5:
            seen.append(now)
    assert len(seen) >= 4, "the preview changed less than three times"
    assert finish(card).shape == (512, 512, 3)
    expect(card.get_by_text("Done")).to_be_visible()


def glimpse(place: Locator) -> Pixels | None:
    """What is there now; None when it has just gone."""
    box = place.bounding_box() if place.count() else None
    return None if box is None else pixels(place.page.screenshot(clip=box))


def test_a_lora_is_applied_and_seen(page: Page) -> None:
    keep_seed(page, 21)
    plain = finish(ask(page, "green hills at night"))
    page.get_by_role("button", name="Add a LoRA").click()
    dialog = page.get_by_role("dialog", name="LoRAs")
    dialog.get_by_role("searchbox", name="Search LoRAs").fill("neon")
    dialog.get_by_role("button", name="Add Neon").click()
    dialog.get_by_role("button", name="Close").click()
    row = page.get_by_role("group", name="LoRA Neon")
    row.get_by_role("button", name="neon", exact=False).last.click()
    prompt = page.get_by_label("Prompt", exact=True)
    expect(prompt).to_have_value("green hills at night, neon")
    card = ask(page, "green hills at night, neon")
    assert differ(plain, finish(card)) > VISIBLE
    card.locator("a.picture").click()
    about = page.get_by_role("complementary", name="About the picture")
    expect(about).to_contain_text("modules")
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Gallery").click()
    page.get_by_role("combobox", name="LoRA").select_option(label="Neon (1)")
    expect(page.get_by_text("1 picture", exact=True)).to_be_visible()


def test_a_picture_begins_with_one_of_the_gallery(page: Page, server: ServerProcess) -> None:
    first = server.wait(server.submit("a yellow star on a black background", seed=5))
    before = pixels(server.png(first["images"][0]["filename"]))
    page.get_by_role("button", name="From the gallery").click()
    chooser = page.get_by_role("dialog", name="Choose a picture")
    chooser.get_by_role("searchbox").fill("yellow star")
    chooser.get_by_role("button", name="a yellow star").first.click()
    expect(page.get_by_alt_text("Start image")).to_be_visible()
    page.locator('input[name="strength"]').fill("0.3")
    keep_seed(page, 6)
    after = finish(ask(page, "a yellow star on a black background"))
    page.get_by_role("button", name="Remove Start image").click()
    expect(page.locator('input[name="strength"]')).to_have_count(0)
    unrelated = finish(ask(page, "a yellow star on a black background"))
    assert 0 < differ(before, after) < differ(before, unrelated)


def test_the_settings_of_a_picture_make_it_again(page: Page, server: ServerProcess) -> None:
    """Of the second of two pictures, with a LoRA: the same bytes."""
    (lora, *_) = server.get("/api/loras")["loras"]
    wanted = {"steps": 12, "cfg_scale": 4.5, "sampler": "ddim", "width": 160, "num_images": 2}
    used = {"loras": [{"id": lora["id"], "weight": 0.7}], **wanted}
    made = server.wait(server.submit("a white moon over black hills", seed=90, **used))
    filename = made["images"][1]["filename"]
    page.goto(f"{server.url}/#/gallery/{filename}")
    page.get_by_role("button", name="Use these settings").click()
    expect(page.locator('input[name="seed"]')).to_have_value("91")
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("a white moon over black hills")
    again = ask(page, "a white moon over black hills")
    assert differ(finish(again), pixels(server.png(filename))) == 0
