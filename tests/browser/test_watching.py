"""Jobs on the page: waiting, running, refused, failed, cancelled; over reloads and restarts."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.chromium import needs_chromium, visit
from tests.servers import ServerProcess
from tests.serving import LiveServer, live_server
from tests.support import PLUGINS

pytestmark = needs_chromium

#: Notes every text that a job's card says of its phase, in order and each once.
NOTE_PHASES = """
() => {
  window.phases = {};
  const note = () => {
    for (const card of document.querySelectorAll(".card")) {
      const said = (window.phases[card.dataset.job] ??= []);
      const now = card.querySelector(".card-phase span").textContent;
      if (said.at(-1) !== now) said.push(now);
    }
  };
  new MutationObserver(note).observe(document.body, {
    childList: true, subtree: true, characterData: true,
  });
}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(tmp_path_factory.mktemp("data")) as running:
        yield running


def choose_pace(page: Page, steps: int, seconds: float) -> None:
    """Let the next jobs have so many steps that take so long each."""
    for name, value in {"steps": steps, "delay": seconds}.items():
        place = page.locator(f'input[name="{name}"]')
        if not place.is_visible():
            page.locator("summary", has_text="Details").click()
        place.fill(str(value))


def ask(page: Page, prompt: str) -> Locator:
    """Send a prompt; the card of its job."""
    page.get_by_label("Prompt", exact=True).fill(prompt)
    with page.expect_response("**/api/generate") as answered:
        page.keyboard.press("Control+Enter")
    job = answered.value.json()["job_id"]
    return page.locator(f'.card[data-job="{job}"]')


def test_three_jobs_wait_and_their_places_count_down(page: Page) -> None:
    page.evaluate(NOTE_PHASES)
    choose_pace(page, 4, 0.4)
    cards = [ask(page, f"red number {number}") for number in range(3)]
    expect(page.get_by_label("Prompt", exact=True)).to_be_editable()
    expect(page.locator(".card").first).to_have_attribute("data-status", "processing")
    for card in cards:
        expect(card).to_have_attribute("data-status", "completed")
    phases = page.evaluate("window.phases")
    last = phases[cards[2].get_attribute("data-job")]
    assert [said for said in last if "position" in said] == [
        "Waiting at position 2",
        "Waiting at position 1, next to run",
    ]
    assert last.index("Step 1 of 4") > last.index("Waiting at position 1, next to run")
    assert last[-1] == "Done"


def test_each_press_is_a_job(page: Page, server: LiveServer) -> None:
    page.get_by_label("Prompt", exact=True).fill("green, thrice")
    for _ in range(3):
        page.keyboard.press("Control+Enter")
    expect(page.get_by_role("article", name="green, thrice")).to_have_count(3)
    found = server.client.get("/api/jobs").json()["jobs"][:3]
    assert [server.finish(job["job_id"])["params"]["prompt"] for job in found] == [
        "green, thrice"
    ] * 3


def test_a_running_job_is_cancelled_and_no_other(page: Page, server: LiveServer) -> None:
    choose_pace(page, 100, 0.3)
    running = ask(page, "blue one")
    choose_pace(page, 4, 0.3)
    waiting = ask(page, "blue two")
    expect(running.get_by_text("of 100")).to_be_visible()
    running.get_by_role("button", name="Cancel: blue one").click()
    expect(running).to_have_attribute("data-status", "cancelled")
    expect(waiting).to_have_attribute("data-status", "completed")
    job = str(running.get_attribute("data-job"))
    assert server.snapshot(job)["status"] == "cancelled"
    assert server.snapshot(job)["images"] == []


def test_what_the_server_refuses_is_said_at_its_field(browser: Browser, server: LiveServer) -> None:
    with visit(browser, server.url, forgiven="status of 422") as page:
        page.get_by_text("Exact size").click()
        page.locator('input[name="width"]').fill("100")
        page.get_by_label("Prompt", exact=True).fill("green")
        page.keyboard.press("Control+Enter")
        field = page.locator('[data-field="width"]')
        expect(field.locator(".error")).to_have_text("Input should be a multiple of 16")
        width = page.locator('input[name="width"]')
        expect(width).to_have_attribute("aria-invalid", "true")
        expect(width).to_be_focused()
        expect(page.locator('[data-field="height"] .error')).to_have_count(0)
        width.fill("96")
        expect(field.locator(".error")).to_have_count(0)
        page.keyboard.press("Control+Enter")
        expect(page.locator(".card").first).to_have_attribute("data-status", "completed")
        picture = page.locator(".card").first.locator("a.picture img")
        expect(picture).to_have_js_property("naturalWidth", 96)


def test_an_empty_prompt_is_said_at_the_prompt(page: Page, server: LiveServer) -> None:
    before = server.client.get("/api/jobs").json()["jobs"]
    page.get_by_label("Prompt", exact=True).fill("  ")
    page.get_by_role("button", name="Make it").click()
    error = page.locator('[data-field="prompt"] .error')
    expect(error).to_have_text("Say what the picture should show.")
    expect(page.get_by_label("Prompt", exact=True)).to_be_focused()
    assert len(server.client.get("/api/jobs").json()["jobs"]) == len(before)


def test_a_failed_job_says_what_happened(page: Page, server: LiveServer) -> None:
    card = ask(page, "out of memory")
    expect(card).to_have_attribute("data-status", "failed")
    told = server.snapshot(str(card.get_attribute("data-job")))["error"]
    expect(card.get_by_role("alert")).to_contain_text(told["message"])
    link = card.get_by_role("link", name=told["code"])
    assert link.get_attribute("href") == f"/docs/errors#{told['code']}"
    card.get_by_role("button", name="Put away").click()
    expect(card).to_have_count(0)


def test_a_reload_in_the_middle_loses_nothing(page: Page) -> None:
    choose_pace(page, 100, 0.3)
    card = ask(page, "yellow over everything")
    expect(card.get_by_text("of 100")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("yellow over everything")
    expect(page.locator('input[name="delay"]')).to_have_value("0.3")
    expect(card).to_have_attribute("data-status", "processing")
    expect(card.get_by_text("yellow over everything")).to_be_visible()
    before = card.locator(".card-phase span").first.inner_text()
    expect(card.locator(".card-phase span").first).not_to_have_text(before)
    card.get_by_role("button", name="Cancel").click()
    expect(card).to_have_attribute("data-status", "cancelled")


def test_one_stream_tells_of_all_jobs_and_one_of_the_gallery(page: Page) -> None:
    streams: list[str] = []
    page.on("request", lambda made: streams.append(made.url) if "/api/sse/" in made.url else None)
    page.reload()
    cards = [ask(page, f"black {number}") for number in range(8)]
    for card in cards:
        expect(card).to_have_attribute("data-status", "completed")
    assert sorted(url.rpartition("/")[2] for url in streams) == ["gallery", "jobs"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_killed_server_is_waited_for(browser: Browser, tmp_path: Path) -> None:
    """kill -9 in the middle of a job: the page says so, and goes on when the server is back."""
    port = str(free_port())
    family = ("--plugin-folder", str(PLUGINS), "--default-model", "colours", "--no-preload")
    options = ("--port", port, *family)
    away = "ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET"
    with (
        ServerProcess(tmp_path / "data", *options) as first,
        visit(browser, first.url, forgiven=away) as page,
    ):
        choose_pace(page, 20, 0.3)
        card = ask(page, "green after all")
        expect(card.get_by_text("of 20")).to_be_visible()
        first.kill()
        expect(page.get_by_text("The connection to the server is lost")).to_be_visible()
        with ServerProcess(tmp_path / "data", *options) as second:
            expect(page.get_by_text("The connection to the server is lost")).to_have_count(0)
            expect(card).to_have_attribute("data-status", "completed")
            page.get_by_role("link", name="Gallery").click()
            expect(page.get_by_role("link", name="green after all")).to_be_visible()
            assert [image["prompt"] for image in second.images()] == ["green after all"]
            # The streams lead to this one: it can end only after they have.
            page.close()
