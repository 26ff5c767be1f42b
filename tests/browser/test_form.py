"""The form: made from a model's schema, filled by hand, by dropping and pasting, and with LoRAs."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, Response, expect

from server.callers import Scope
from tests.browser.chromium import needs_chromium, visit
from tests.fake_civitai import CIVITAI_KEY
from tests.fake_sources import FakeSources, sha256
from tests.lora_downloading import serve
from tests.serving import PATIENCE, LiveServer, live_server
from tests.support import know_hub

pytestmark = needs_chromium

ROOT = Path(__file__).parents[2]
NEON = ROOT / "model_plugins" / "postcard" / "loras" / "neon.safetensors"
WORDS = ["glowing outlines"]
VERSION, MODEL = 1963644, 1377820


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(tmp_path_factory.mktemp("data")) as running:
        yield running


def value(page: Page, name: str) -> str:
    return page.locator(f'[name="{name}"]').input_value()


def choose_model(page: Page, title: str) -> None:
    page.get_by_role("button", name="Model").click()
    dialog = page.get_by_role("dialog", name="Choose a model")
    dialog.get_by_role("button").filter(has=page.get_by_text(title, exact=True)).click()


def submitted(page: Page) -> Response:
    """The server's answer when the form is sent."""
    with page.expect_response("**/api/generate") as answered:
        page.keyboard.press("Control+Enter")
    return answered.value


def sent(page: Page) -> dict[str, object]:
    """What the form asks for, when it is sent."""
    found: dict[str, object] = submitted(page).request.post_data_json
    return found


def painted(colour: str) -> bytes:
    """A PNG of one colour."""
    encoded = io.BytesIO()
    Image.new("RGB", (40, 40), colour).save(encoded, "PNG")
    return encoded.getvalue()


def left_edge(server: LiveServer, page: Page) -> tuple[int, ...]:
    """The colour at the left of the picture that the form asks for."""
    job = server.finish(submitted(page).json()["job_id"])
    answer = server.client.get(job["images"][0]["url"])
    pixel = Image.open(io.BytesIO(answer.content)).convert("RGB").getpixel((0, 0))
    assert isinstance(pixel, tuple)
    return tuple(int(channel) for channel in pixel)


def test_each_model_has_the_form_of_its_schema(page: Page, server: LiveServer) -> None:
    expect(page.locator('[name="delay"]')).to_have_count(1)
    choose_model(page, "Stable Diffusion XL")
    expect(page.get_by_text("Its first picture downloads 6.9 GB.")).to_be_visible()
    expect(page.locator('[name="delay"]')).to_have_count(0)
    schema = server.client.get("/api/models/sdxl-base/schema").json()["properties"]
    options = page.locator('select[name="sampler"] option').all_text_contents()
    assert [option.strip() for option in options] == schema["sampler"]["enum"]
    steps = page.locator('input[name="steps"]')
    assert steps.get_attribute("max") == str(schema["steps"]["maximum"])
    assert value(page, "steps") == str(schema["steps"]["default"])
    width = page.locator('input[name="width"]')
    assert width.get_attribute("step") == str(schema["width"]["multipleOf"])
    assert page.get_by_role("button", name="16:9").get_attribute("title") == "1344 × 768"


def test_only_what_was_changed_is_sent(page: Page) -> None:
    page.get_by_label("Prompt", exact=True).fill("red and plain")
    assert sent(page) == {"model": "colours", "prompt": "red and plain"}
    page.get_by_role("button", name="3:2").click()
    page.get_by_role("button", name="Swap width and height").click()
    page.locator("summary", has_text="Details").click()
    page.locator('select[name="sampler"]').select_option(label="ddim")
    page.locator('input[name="seed"]').fill("17")
    page.locator('input[name="num_images"]').fill("2")
    assert sent(page) == {
        "model": "colours",
        "prompt": "red and plain",
        "sampler": "ddim",
        "seed": 17,
        "num_images": 2,
        "height": 80,  # the width that was this is the default now
    }


def test_numbers_are_typed_key_by_key(page: Page) -> None:
    page.get_by_label("Prompt", exact=True).fill("white")
    page.get_by_text("Exact size").click()
    page.locator("summary", has_text="Details").click()
    typed = {"width": "160", "cfg_scale": "7.5", "steps": "12", "seed": "1234", "height": "9999"}
    for name, text in typed.items():
        box = page.locator(f'input[name="{name}"]')
        box.select_text()
        box.press_sequentially(text)
        expect(box).to_have_value(text)
    page.get_by_label("Prompt", exact=True).focus()
    assert value(page, "height") == "2048"  # the most that is allowed
    assert sent(page) == {
        "model": "colours",
        "prompt": "white",
        "width": 160,
        "height": 2048,
        "cfg_scale": 7.5,
        "steps": 12,
        "seed": 1234,
    }


def test_what_is_refused_is_unfolded(browser: Browser, server: LiveServer) -> None:
    with visit(browser, server.url, forgiven="status of 422") as page:
        page.get_by_label("Prompt", exact=True).fill("white")
        page.get_by_text("Exact size").click()
        page.locator('input[name="width"]').fill("100")
        page.get_by_text("Exact size").click()
        expect(page.locator('input[name="width"]')).to_be_hidden()
        page.keyboard.press("Control+Enter")
        expect(page.locator('[data-field="width"] .error')).to_be_visible()
        expect(page.locator('input[name="width"]')).to_be_focused()


@pytest.mark.parametrize(
    "kept", ["5", '"x"', "[]", "{bad", "null", '{"prompt": 5, "loras": [null], "init_image": 5}']
)
def test_the_form_outlives_whatever_was_kept(page: Page, kept: str) -> None:
    page.evaluate("kept => localStorage.setItem('darkroom.edits', kept)", kept)
    page.reload()
    page.get_by_label("Prompt", exact=True).fill("green")
    assert sent(page) == {"model": "colours", "prompt": "green"}


def test_one_field_or_all_go_back_to_the_defaults(page: Page) -> None:
    page.get_by_label("Prompt", exact=True).fill("green")
    page.locator("summary", has_text="Details").click()
    page.locator('input[name="steps"]').fill("9")
    page.locator('input[name="cfg_scale"]').fill("7")
    page.get_by_role("button", name="Reset Steps").click()
    assert (value(page, "steps"), value(page, "cfg_scale")) == ("4", "7")
    page.get_by_role("button", name="Reset", exact=True).click()
    assert (value(page, "cfg_scale"), value(page, "prompt")) == ("5", "green")


def test_the_seed_is_new_until_it_is_kept(page: Page, server: LiveServer) -> None:
    page.get_by_label("Prompt", exact=True).fill("blue by chance")
    accepted = submitted(page)
    assert "seed" not in accepted.request.post_data_json
    drawn = server.finish(accepted.json()["job_id"])["params"]["seed"]
    expect(page.get_by_placeholder(f"last: {drawn}")).to_be_visible()
    page.get_by_role("button", name="Keep the last seed").click()
    assert value(page, "seed") == str(drawn)
    assert sent(page)["seed"] == drawn
    page.get_by_role("button", name="Draw a seed").click()
    assert value(page, "seed") not in ("", str(drawn))
    page.get_by_role("button", name="The seed is kept").click()
    assert value(page, "seed") == ""
    assert "seed" not in sent(page)


def test_a_prompt_is_written_out_and_taken_back(page: Page) -> None:
    page.get_by_label("Prompt", exact=True).fill("a castle")
    page.get_by_role("combobox", name="Style").select_option("fantasy")
    page.get_by_role("button", name="Write it out").click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    assert value(page, "prompt").startswith("a castle, ")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("a castle")


def test_pictures_are_dropped_pasted_chosen_and_taken_from_the_gallery(
    page: Page, server: LiveServer
) -> None:
    made = server.made("yellow")
    page.get_by_label("Prompt", exact=True).fill("black")
    picture = {"lime": (0, 255, 0), "navy": (0, 0, 128), "teal": (0, 128, 128)}
    for colour, put in {"lime": drop, "navy": paste, "teal": choose_file}.items():
        put(page, painted(colour))
        expect(page.get_by_alt_text("Start image")).to_be_visible()
        assert left_edge(server, page) == picture[colour]
        page.get_by_role("button", name="Remove Start image").click()
    page.goto(f"{server.url}/#/gallery/{made['images'][0]['filename']}")
    page.get_by_role("button", name="Use as start image").click()
    assert sent(page)["init_image"] == made["images"][0]["filename"]


HAND_OVER = """
(place, {kind, data}) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const given = new DataTransfer();
  given.items.add(new File([bytes], "picture.png", { type: "image/png" }));
  const way = kind === "drop" ? { dataTransfer: given } : { clipboardData: given };
  const Kind = kind === "drop" ? DragEvent : ClipboardEvent;
  place.dispatchEvent(new Kind(kind, { bubbles: true, cancelable: true, ...way }));
}
"""


def hand_over(place: Locator, kind: str, picture: bytes) -> None:
    data = base64.b64encode(picture).decode()
    place.evaluate(HAND_OVER, {"kind": kind, "data": data})


def drop(page: Page, picture: bytes) -> None:
    hand_over(page.locator(".drop"), "drop", picture)


def paste(page: Page, picture: bytes) -> None:
    """Wherever the focus is."""
    hand_over(page.get_by_label("Prompt", exact=True), "paste", picture)


def choose_file(page: Page, picture: bytes) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a file").click()
    chooser.value.set_files({"name": "teal.png", "mimeType": "image/png", "buffer": picture})


def test_a_lora_comes_from_civitai_with_progress(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = bytearray(NEON.read_bytes())
    other[-1] ^= 1  # another file than the bundled one
    with FakeSources() as fake:
        know_hub(fake.hub_url, tmp_path / "hub", monkeypatch)
        monkeypatch.setenv("CIVITAI_API_KEY", CIVITAI_KEY)
        fake.add_lora(VERSION, MODEL, bytes(other), baseModel="Other", trainedWords=WORDS)
        with (
            serve(fake, tmp_path / "data") as server,
            visit(browser, server.url, forgiven="status of 422") as page,
        ):
            choose_model(page, "Postcard")
            page.get_by_role("button", name="Add a LoRA").click()
            dialog = page.get_by_role("dialog", name="LoRAs")
            dialog.get_by_label("Bring one here").fill("no such thing")
            dialog.get_by_role("button", name="Download").click()
            expect(dialog.locator("#lora-ref-error")).not_to_be_empty()
            fake.fail(f"/blobs/{sha256(bytes(other))}", fake.stall(bytes(other), len(other) // 2))
            dialog.get_by_label("Bring one here").fill(f"civitai:{VERSION}")
            dialog.get_by_role("button", name="Download").click()
            bar = dialog.get_by_role("progressbar", name="Download of a LoRA")
            expect(bar).to_have_attribute("aria-valuenow", "50")
            expect(dialog.get_by_text("Downloading 405 kB of 810 kB")).to_be_visible()
            fake.release()
            row = page.locator('.lora[role="group"]')
            expect(row).to_contain_text(f"Lora {MODEL}")
            dialog.get_by_role("button", name="Close").click()
            row.get_by_role("button", name="glowing outlines").click()
            expect(page.get_by_label("Prompt", exact=True)).to_have_value("glowing outlines")
            expect(row.get_by_role("button", name="glowing outlines")).to_be_disabled()
            row.get_by_label("Weight, as a number", exact=True).fill("0.6")
            row.get_by_label("Trigger weight, as a number").fill("0.25")
            server.client.post("/api/queue/pause")  # what it looks like is shown elsewhere
            asked = sent(page)
            assert asked["model"] == "postcard"
            (lora,) = asked["loras"]  # type: ignore[misc]
            known = {"id": f"civitai_{VERSION}", "weight": 0.6, "trigger_weight": 0.25}
            assert lora == known
            by_file = json.dumps({"loras": [{"id": f"lora_{VERSION}", "weight": 0.5}]})
            page.evaluate("kept => localStorage.setItem('darkroom.edits', kept)", by_file)
            page.reload()
            expect(row).to_contain_text(f"Lora {MODEL}")


def test_keys_are_asked_for_and_kept(browser: Browser, tmp_path: Path) -> None:
    """A page that needs a key shows nothing else; a key that may only look makes nothing."""
    with live_server(tmp_path / "data") as server:
        owner = server.service.keys.add("owner")
        reader = server.service.keys.add("reader", scopes=[Scope.READ])
        with visit(browser, server.url, forgiven="status of 401") as page:
            field = page.get_by_label("Key", exact=True)
            expect(field).to_be_focused()
            expect(page.get_by_role("navigation")).to_have_count(0)
            field.fill("dk_wrong")
            page.keyboard.press("Enter")
            expect(page.get_by_role("alert")).to_contain_text("none of this server's")
            field.fill(owner)
            page.keyboard.press("Enter")
            page.get_by_label("Prompt", exact=True).fill("red with a key")
            page.keyboard.press("Control+Enter")
            expect(page.locator(".card").first).to_have_attribute("data-status", "completed")
            page.reload()
            expect(page.get_by_role("article", name="red with a key")).to_be_visible()
            page.get_by_role("button", name="Signed in as owner. Sign out").click()
            field.fill(reader)
            page.keyboard.press("Enter")
            expect(page.get_by_role("article", name="red with a key")).to_be_visible()
            expect(page.get_by_role("button", name="Make it")).to_be_disabled()
            page.locator("a.picture").first.click()
            expect(page.get_by_role("button", name="Use these settings")).to_be_visible()
            expect(page.get_by_role("button", name="Delete")).to_have_count(0)
            server.service.keys.reset()


def test_a_revoked_key_is_asked_for_again(browser: Browser, tmp_path: Path) -> None:
    with live_server(tmp_path / "data") as server:
        visitor = server.service.keys.add("visitor")
        server.client.headers["x-key"] = server.service.keys.add("owner")
        with visit(browser, server.url, forgiven="status of 401") as page:
            page.get_by_label("Key", exact=True).fill(visitor)
            page.keyboard.press("Enter")
            expect(page.get_by_label("Prompt", exact=True)).to_be_visible()
            server.service.keys.revoke("visitor")
            told = page.get_by_text("Your key is no longer good here.")
            deadline = time.monotonic() + PATIENCE
            while not told.count() and time.monotonic() < deadline:
                server.made("red")  # a stream ends with the next thing that it would tell
                page.wait_for_timeout(500)
            expect(told).to_be_visible()
            expect(page.get_by_label("Key", exact=True)).to_be_focused()


def test_only_what_a_key_may_do_is_offered(browser: Browser, tmp_path: Path) -> None:
    with live_server(tmp_path / "data") as server:
        server.client.headers["x-key"] = server.service.keys.add("owner")
        maker = server.service.keys.add("maker", scopes=[Scope.READ, Scope.GENERATE])
        foreign = server.submit("red and foreign", steps=100, delay=0.3)
        with visit(browser, server.url, forgiven="status of 401") as page:
            page.get_by_label("Key", exact=True).fill(maker)
            page.keyboard.press("Enter")
            page.get_by_label("Prompt", exact=True).fill("blue and own")
            own = page.locator(f'.card[data-job="{submitted(page).json()["job_id"]}"]')
            expect(page.locator(f'.card[data-job="{foreign}"]')).to_be_visible()
            expect(page.get_by_role("button", name="Cancel: red and foreign")).to_have_count(0)
            own.get_by_role("button", name="Cancel: blue and own").click()
            expect(own).to_have_attribute("data-status", "cancelled")
            own.get_by_role("button", name="Put away: blue and own").click()
            expect(own).to_have_count(0)
            page.get_by_role("link", name="Queue").click()
            expect(page.get_by_role("listitem").filter(has_text="blue and own")).to_be_visible()
            expect(page.get_by_role("button", name="Pause")).to_have_count(0)
            expect(page.get_by_role("button", name="Forget: blue and own")).to_have_count(0)
            server.client.post(f"/api/jobs/{foreign}/cancel")
