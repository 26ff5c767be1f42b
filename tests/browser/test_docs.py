"""The documentation pages in a real browser: they work, and ask no other host for anything."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from server.api.schemas import JOB_ID_EXAMPLE
from tests.browser.chromium import Witness, needs_chromium
from tests.servers import ServerProcess
from tests.serving import LiveServer, live_server

pytestmark = needs_chromium

#: How the documentation names the models that are on this machine.
HERE = ("on_disk", "loaded", "in_ram", "loading")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The server as users have it, with the embedded model."""
    with ServerProcess(tmp_path_factory.mktemp("studio") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LiveServer, str]]:
    """A server that has a key, which its client sends, and the key."""
    with live_server(tmp_path_factory.mktemp("closed")) as running:
        key = running.service.keys.add("browser")
        running.client.headers["x-key"] = key
        yield running, key


@pytest.fixture
def opened(browser: Browser) -> Iterator[Callable[..., tuple[Page, Witness]]]:
    """Opens a page, and listens from its first request."""
    pages: list[Page] = []

    def opening(url: Any, path: str, **options: Any) -> tuple[Page, Witness]:
        page = browser.new_page(**options)
        pages.append(page)
        witness = Witness(page, str(url).rstrip("/"))
        page.goto(f"{witness.url}{path}", wait_until="networkidle")
        return page, witness

    yield opening
    for page in pages:
        page.close()


Opened = Callable[..., tuple[Page, Witness]]


def tried(page: Page, name: str) -> Locator:
    """An operation, unfolded and ready to be executed."""
    operation = page.locator(f"#operations-{name}")
    operation.locator(".opblock-summary-control").click()
    operation.locator(".try-out__btn").click()
    return operation


def executed(operation: Locator) -> tuple[int, Any]:
    """The status and the JSON that the page shows of the server's first answer."""
    operation.locator(".execute").click()
    answer = operation.locator(".live-responses-table tbody .response").first
    body = answer.locator(".response-col_description .highlight-code").first
    expect(body).to_be_visible()
    status = answer.locator(".response-col_status").inner_text()
    return int(status.split()[0]), json.loads(body.locator("pre, code").first.inner_text())


def test_the_example_becomes_an_image_of_the_gallery(studio: ServerProcess, opened: Opened) -> None:
    page, witness = opened(studio.url, "/docs")
    document = studio.get("/openapi.json")
    count = sum(len(methods) for methods in document["paths"].values())
    expect(page.locator(".opblock")).to_have_count(count)
    generate = tried(page, "jobs-generate")
    body = json.loads(generate.locator("textarea").input_value())
    status, accepted = executed(generate)
    assert status == 202
    assert studio.wait(accepted["job_id"])["status"] == "completed"
    (image,) = [each for each in studio.images() if each["job_id"] == accepted["job_id"]]
    assert {word: image[word] for word in body} == body
    assert studio.png(image["filename"]).startswith(b"\x89PNG")
    # The name of the job stands where one is asked for.
    status, shown = executed(tried(page, "jobs-show_job"))
    assert (status, shown["job_id"], shown["status"]) == (200, accepted["job_id"], "completed")
    assert (witness.strangers, witness.complaints) == ([], [])


def test_every_example_of_a_model_that_is_here_works(studio: ServerProcess) -> None:
    content = studio.get("/openapi.json")["paths"]["/api/generate"]["post"]["requestBody"]
    examples = content["content"]["application/json"]["examples"]
    states = {model["id"]: model["state"] for model in studio.get("/api/models")["models"]}
    here = {model for model, state in states.items() if state in HERE}
    bodies = {
        name: example["value"]
        for name, example in examples.items()
        if name.rpartition("-")[0] in here
    }
    assert {name.rpartition("-")[0] for name in bodies} == here and len(bodies) >= 4
    jobs = {
        name: studio.client.post("/api/generate", json=body).json()["job_id"]
        for name, body in bodies.items()
    }
    for name, job in jobs.items():
        shown = studio.wait(job)
        assert (name, shown["status"], shown["warnings"]) == (name, "completed", [])
        assert len(shown["images"]) == bodies[name].get("num_images", 1)


def test_authorize_sends_a_key(closed: tuple[LiveServer, str], opened: Opened) -> None:
    server, key = closed
    newest = server.submit()
    page, witness = opened(server.client.base_url, "/docs")
    named = tried(page, "jobs-show_job").locator("[data-param-name=job_id] input")
    expect(named).to_have_value(JOB_ID_EXAMPLE)
    generate = tried(page, "jobs-generate")
    status, refused = executed(generate)
    assert (status, refused["code"]) == (401, "key_missing")
    for scheme, header, sent in [
        ("x-key", "x-key", key),
        ("bearer", "authorization", f"Bearer {key}"),
    ]:
        page.locator(".auth-wrapper .authorize").click()
        form = page.locator(".auth-container form").filter(has_text=f"{scheme} ")
        form.locator("input").fill(key)
        form.get_by_role("button", name="Apply credentials").click()
        page.locator(".modal-ux .close-modal").click()
        expect(named).to_have_value(newest)
        with page.expect_response("**/api/generate*") as answered:
            generate.locator(".execute").click()
        assert answered.value.status == 202
        newest = answered.value.json()["job_id"]
        assert answered.value.request.headers[header] == sent
        page.locator(".auth-wrapper .authorize").click()
        form.get_by_role("button", name="Remove authorization").click()
        page.locator(".modal-ux .close-modal").click()
    with page.expect_response("**/api/generate*") as answered:
        generate.locator(".execute").click()
    assert answered.value.status == 401
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0, "it is not kept"
    assert witness.strangers == []


def test_a_stream_is_read_for_a_while(server: LiveServer, opened: Opened) -> None:
    page, witness = opened(server.client.base_url, "/docs", color_scheme="dark")
    assert is_dark(page, "h1.title")
    follow = tried(page, "streams-follow_jobs")
    follow.locator(".execute").click()
    body = follow.locator(".live-responses-table .highlight-code").first
    expect(body).to_contain_text("read for 5 seconds")
    assert (witness.strangers, witness.complaints) == ([], [])


#: How bright a page is, 0 to 255, behind its words and in them.
BRIGHTNESS = """words => {
  const mean = colour => colour.match(/[0-9.]+/g).slice(0, 3).reduce((a, b) => a + +b, 0) / 3;
  const pages = [document.documentElement, document.body].map(each => getComputedStyle(each));
  const behind = pages.map(each => each.backgroundColor).find(each => !/, 0\\)$/.test(each));
  return [behind ? mean(behind) : 255, mean(getComputedStyle(words).color)];
}"""


def is_dark(page: Page, heading: str) -> bool:
    """Whether words are light on dark."""
    behind, words = page.locator(heading).first.evaluate(BRIGHTNESS)
    return bool(behind < 60 and words > 180)


def test_redoc_shows_the_operations(server: LiveServer, opened: Opened) -> None:
    page, witness = opened(server.client.base_url, "/redoc", color_scheme="dark")
    expect(page.get_by_role("heading", name="Submit a job")).to_be_visible()
    expect(page.get_by_role("heading", name="Follow the gallery")).to_be_attached()
    page.get_by_placeholder("Search...").fill("thumbnail")
    expect(page.locator("[data-role='search:results']")).to_contain_text("thumbnail")
    assert is_dark(page, "h1")
    assert (witness.strangers, witness.complaints) == ([], [])


def test_error_codes_fit_a_phone(server: LiveServer, opened: Opened) -> None:
    phone = {"width": 390, "height": 844}
    page, witness = opened(server.client.base_url, "/docs/errors#queue_full", viewport=phone)
    expect(page.locator("#queue_full")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") == phone["width"]
    assert (witness.strangers, witness.complaints) == ([], [])
