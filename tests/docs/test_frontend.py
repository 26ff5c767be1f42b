"""The page for authors of front ends, run as printed: by curl, by Python, and in a browser."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.chromium import needs_chromium, visit
from tests.clients.npm import installed, ran
from tests.docs.frontends import (
    ADDRESS,
    PAGE,
    PARTS,
    SESSION,
    first_event,
    hosted,
    lines_of_curl,
    listening,
    visited,
)
from tests.docs.pages import blocks
from tests.serving import LiveServer, live_server, until

REACT = Path(__file__).parents[1] / "clients" / "react" / "package.json"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(tmp_path_factory.mktemp("data"), preview_interval=0) as running:
        yield running


# --- curl and Python ------------------------------------------------------------------------


@pytest.mark.skipif(
    shutil.which("curl") is None, reason="needs curl; on Debian: apt-get install curl"
)
def test_the_lines_of_curl_work_as_printed(server: LiveServer) -> None:
    submit, *_ = lines_of_curl(server)
    job_id = json.loads(ran(*submit).stdout)["job_id"]
    _, watch, jobs, gallery = lines_of_curl(server, job_id)
    events = [line for line in ran(*watch).stdout.splitlines() if line.startswith("data: ")]
    last = json.loads(events[-1].removeprefix("data: "))
    assert (last["job_id"], last["status"]) == (job_id, "completed")
    running = server.submit("red", steps=100, delay=0.02)
    assert first_event(jobs)["job_id"] == running
    server.client.post(f"/api/jobs/{running}/cancel")
    oldest = server.client.get("/api/images", params={"limit": 200}).json()["images"][-1]
    assert first_event(gallery) == oldest


def test_the_program_in_python_works_as_printed(
    server: LiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = blocks(PAGE, "python")
    monkeypatch.chdir(tmp_path)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code.replace(ADDRESS, server.url), {})
    assert printed.getvalue().splitlines()[-1] == "completed 1.0"
    (file,) = tmp_path.iterdir()
    image = server.client.get(f"/api/images/{file.name}")
    assert file.read_bytes() == image.content


def test_a_failed_job_tells_the_program_in_python_why(server: LiveServer) -> None:
    (code,) = blocks(PAGE, "python")
    code = code.replace(ADDRESS, server.url).replace("the sea at sunset", "raise")
    with contextlib.redirect_stdout(io.StringIO()), pytest.raises(SystemExit) as ended:
        exec(code, {})
    (job,) = server.client.get("/api/jobs", params={"limit": 1}).json()["jobs"]
    assert ended.value.code == job["error"]["message"]


def test_the_program_in_python_outlasts_the_502_of_a_proxy() -> None:
    (code,) = blocks(PAGE, "python")
    program: dict[str, Any] = {}
    exec(code.partition("with httpx.Client")[0].replace("sleep(2)", "sleep(0)"), program)
    job = {"status": "completed"}
    answers = [
        httpx.Response(502, html="<h1>Bad Gateway</h1>"),
        httpx.Response(
            200, text=f"data: {json.dumps(job)}\n\n", headers={"Content-Type": "text/event-stream"}
        ),
        httpx.Response(404, json={}),
    ]
    transport = httpx.MockTransport(lambda _: answers.pop(0))
    with httpx.Client(transport=transport, base_url=ADDRESS) as client:
        assert list(program["snapshots"](client, "/api/sse/1")) == [job]
        with pytest.raises(httpx.HTTPStatusError):
            list(program["snapshots"](client, "/api/sse/2"))


# --- plain JavaScript -----------------------------------------------------------------------


@needs_chromium
def test_the_page_works_as_printed(server: LiveServer, browser: Browser, tmp_path: Path) -> None:
    with visited(browser, tmp_path, server, forgiven="status of 422") as page:
        width = page.locator("[name=width]")
        expect(width).to_have_value("64")
        fields = page.locator("#request [name]").evaluate_all("all => all.map(each => each.name)")
        schema = server.client.get("/api/info").json()["parameter_schema"]
        assert fields == [
            name for name in schema["properties"] if name not in ("model", "init_image")
        ]
        page.locator("[name=prompt]").fill("a green field")
        page.locator("[name=steps]").fill("20")
        page.get_by_role("button").click()
        expect(page.locator("#jobs li")).to_contain_text("completed 100 %")
        (job,) = server.client.get("/api/jobs", params={"limit": 1}).json()["jobs"]
        assert page.locator("#jobs li").get_attribute("id") == job["job_id"]
        newest = page.locator("#gallery img").first
        expect(newest).to_have_attribute("alt", "a green field")
        assert newest.evaluate("image => image.decode().then(() => image.naturalWidth)") == 32
        # What the browser's own checks would hold back.
        page.locator("#request").evaluate("form => { form.noValidate = true }")
        width.fill("65")
        page.get_by_role("button").click()
        expect(page.locator("output")).to_contain_text("width: Input should be a multiple of 16")
        said = width.evaluate("input => input.validationMessage")
        assert said == "Input should be a multiple of 16"
        width.fill("64")
        assert width.evaluate("input => input.validationMessage") == ""
        with page.expect_request("**/api/generate") as asked:
            page.get_by_role("button").click()
        assert asked.value.post_data_json == {"prompt": "a green field", "steps": 20}
        expect(page.locator("output")).to_have_text("")
        expect(page.locator("#jobs li")).to_have_count(2)
        expect(page.locator("#jobs li").last).to_contain_text("completed")
        page.route("**/api/generate", lambda route: route.fulfill(**BAD_GATEWAY))
        page.get_by_role("button").click()
        expect(page.locator("output")).to_have_text("The server answers 422.")


#: What a proxy says, with a status that the test forgives.
BAD_GATEWAY: dict[str, Any] = {
    "status": 422,
    "content_type": "text/html",
    "body": "<h1>Bad Gateway</h1>",
    "headers": {"Access-Control-Allow-Origin": "*"},
}


@needs_chromium
def test_the_form_has_a_field_for_each_kind_of_value(
    server: LiveServer, browser: Browser, tmp_path: Path
) -> None:
    schema = {
        "required": ["prompt"],
        "properties": {
            "prompt": {"type": "string", "title": "Prompt"},
            "tiled": {"type": "boolean", "default": False, "title": "Tiled"},
            "sharp": {"type": "boolean", "default": True, "title": "Sharp"},
            "maybe": {"anyOf": [{"type": "boolean"}, {"type": "null"}], "title": "Maybe"},
            "avoid": {"type": "string", "default": "blur", "title": "Avoid"},
            "steps": {"type": "integer", "default": 4, "title": "Steps"},
            "style": {"enum": ["ink", "oil"], "default": "oil", "title": "Style"},
        },
    }
    with visited(browser, tmp_path, server) as page:
        expect(page.locator("[name=prompt]")).to_be_attached()
        page.evaluate(
            """async (schema) => {
              const { build } = await import("./darkroom.js");
              document.body.innerHTML = "<form id=other></form>";
              build(document.getElementById("other"), schema);
            }""",
            schema,
        )
        held = (
            """async () => (await import("./darkroom.js")).read(document.getElementById("other"))"""
        )
        assert page.evaluate(held) == {}
        page.locator("[name=prompt]").fill("a house")
        page.locator("[name=tiled]").check()
        page.locator("[name=sharp]").uncheck()
        page.locator("[name=avoid]").fill("")
        page.locator("[name=steps]").fill("")
        page.locator("[name=style]").select_option("ink")
        assert page.evaluate(held) == {
            **{"prompt": "a house", "tiled": True, "sharp": False, "avoid": "", "style": "ink"}
        }


@needs_chromium
def test_late_answers_put_nothing_old_above_the_new(
    server: LiveServer, browser: Browser, tmp_path: Path
) -> None:
    """And a page that nobody sees holds no stream."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    older = server.made("yellow")["images"][0]
    with visited(browser, tmp_path, server) as page:
        pictures = page.locator("#gallery img")
        page.route("**/api/images?limit=50", hold)
        with page.expect_request("**/api/images?limit=50"):
            page.reload()
        server.made("newest")
        expect(pictures).to_have_attribute("alt", "newest")
        held.pop().continue_()
        expect(page.locator(f"[data-id='{older['id']}']")).to_be_attached()
        page.unroute("**/api/images?limit=50")
        expect(pictures.first).to_have_attribute("alt", "newest")
        ids = pictures.evaluate_all("all => all.map(each => +each.dataset.id)")
        assert ids == sorted(ids, reverse=True)

        server.client.post("/api/queue/pause")
        job_id = server.submit("blue")
        row = page.locator(f"[id='{job_id}']")
        expect(row).to_contain_text("queued")
        page.route(f"**/api/jobs/{job_id}", hold)
        queued = server.snapshot(job_id)
        see(page, False)
        until(lambda: server.app.state.streams.open == 0)
        with page.expect_request(f"**/api/jobs/{job_id}"):
            see(page, True)
        server.client.post("/api/queue/resume")
        expect(row).to_contain_text("completed")
        held[-1].fulfill(json=queued, headers={"Access-Control-Allow-Origin": "*"})
        page.evaluate("() => new Promise((resolve) => setTimeout(resolve, 200))")
        assert "completed" in row.inner_text()


def see(page: Page, seen: bool) -> None:
    """Bring the page's tab to the front, or put it behind others, as far as it can tell."""
    page.evaluate(
        """(hidden) => {
          Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        not seen,
    )


@needs_chromium
def test_one_job_is_watched_to_its_end(
    server: LiveServer, browser: Browser, tmp_path: Path
) -> None:
    with visited(browser, tmp_path, server, forgiven="status of 404") as page:
        job_id = server.submit("blue", steps=20, delay=0.02)
        seen = page.evaluate(
            """async (job) => {
              const { watch } = await import("./darkroom.js");
              const seen = [];
              await watch(job, ({ status, progress }) => seen.push({ status, progress }));
              return seen;
            }""",
            job_id,
        )
        told = page.evaluate(
            """async () => {
              const { watch } = await import("./darkroom.js");
              const late = new Promise((resolve) => setTimeout(resolve, 5000, "waits"));
              return Promise.race([watch("20260101_000000_00000000").catch(String), late]);
            }"""
        )
        assert "20260101_000000_00000000" in told
    assert seen[-1] == {"status": "completed", "progress": 1}
    assert len(seen) >= 5
    assert [each["progress"] for each in seen] == sorted(each["progress"] for each in seen)


@needs_chromium
def test_the_page_survives_a_restart(browser: Browser, tmp_path: Path) -> None:
    """And an error in its streams, and misses nothing that happened meanwhile."""
    refused: list[str] = []

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            refused.append(self.path)
            self.send_error(502)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with contextlib.ExitStack() as stack:
        with live_server(tmp_path / "data") as first:
            missing = "Failed to load resource|CORS policy"
            site = visited(browser, tmp_path / "site", first, forgiven=missing)
            page = stack.enter_context(site)
            first.client.post("/api/queue/pause")
            job_id = first.submit("red")
            expect(page.locator(f"[id='{job_id}']")).to_contain_text("queued")
        with listening(first.port, Proxy), live_server(tmp_path / "data") as elsewhere:
            elsewhere.client.post("/api/queue/resume")
            assert elsewhere.finish(job_id)["status"] == "completed"
            until(lambda: {"/api/sse/jobs", "/api/sse/gallery"} <= set(refused))
        with live_server(tmp_path / "data", port=first.port) as again:
            expect(page.locator(f"[id='{job_id}']")).to_contain_text("completed")
            expect(page.locator("#gallery img")).to_have_attribute("alt", "red")
            newer = again.submit("blue")
            expect(page.locator(f"[id='{newer}']")).to_contain_text("completed")
            expect(page.locator("#gallery img").first).to_have_attribute("alt", "blue")


# --- keys -----------------------------------------------------------------------------------


@needs_chromium
def test_pages_give_their_key_as_printed(browser: Browser, tmp_path: Path) -> None:
    with live_server(tmp_path / "data") as closed:
        key = closed.service.keys.add("page")
        closed.client.headers["x-key"] = key
        running = closed.submit("red", steps=150, delay=0.2)
        with visit(browser, closed.url, "/docs/errors", forgiven="status of 401") as page:
            own = PARTS[0].replace("export ", "").replace(ADDRESS, "")
            states = page.evaluate(
                f"""async (key) => {{
                  const opened = (source) => new Promise((resolve) => {{
                    source.onopen = () => {{ source.close(); resolve("open"); }};
                    source.onerror = () => resolve("refused");
                  }});
                  const before = await opened(new EventSource("/api/sse/jobs"));
                  await (async (given) => {{ {own} {{ const key = given; {SESSION} }} }})(key);
                  return [before, await opened(new EventSource("/api/sse/jobs"))];
                }}""",
                key,
            )
            assert states == ["refused", "open"]
        refused = "status of 401|asks for a key"
        with visited(browser, tmp_path / "site", closed, forgiven=refused) as page:
            # A second copy of the module, since the page's own has begun without a key.
            streams: list[str] = []
            page.on("request", lambda sent: streams.extend(re.findall("/api/sse/.*", sent.url)))
            seen = page.evaluate(
                """async (key) => {
                  const { observe, useKey } = await import("./darkroom.js?with-key");
                  useKey(key);
                  return new Promise((resolve) => observe((job) => resolve(job.job_id)));
                }""",
                key,
            )
            assert seen == running
            assert f"/api/sse/jobs?key={key}" in streams
            made = page.evaluate(
                """async () => {
                  const { submit } = await import("./darkroom.js?with-key");
                  return submit({ prompt: "blue" });
                }"""
            )
            assert closed.snapshot(made["job_id"])["status"] == "queued"
        closed.client.post(f"/api/jobs/{running}/cancel")


# --- React ----------------------------------------------------------------------------------


@pytest.mark.clients
@needs_chromium
def test_the_component_works_as_printed(
    server: LiveServer, browser: Browser, tmp_path: Path
) -> None:
    (code,) = blocks(PAGE, "jsx")
    site = tmp_path / "site"
    site.mkdir()
    installed(tmp_path, REACT)
    with hosted(site, server) as address, contextlib.ExitStack() as stack:
        (tmp_path / "darkroom.js").write_text((site / "darkroom.js").read_text("utf-8"), "utf-8")
        (tmp_path / "studio.jsx").write_text(code, "utf-8")
        options = ("--bundle", "--jsx=automatic", f"--outfile={site / 'studio.js'}")
        built = ran("npx", "esbuild", "studio.jsx", *options, cwd=tmp_path)
        assert built.returncode == 0, built.stderr
        (site / "react.html").write_text(
            '<!doctype html><div id="root"></div><script src="studio.js"></script>', "utf-8"
        )
        allowed = {"forgiven": "status of 422", "friends": [server.url]}
        page = stack.enter_context(visit(browser, address, "/react.html", **allowed))
        page.locator("input").fill("a yellow door")
        page.get_by_role("button").click()
        expect(page.locator("p")).to_contain_text("completed")
        newest = page.locator("img[alt='a yellow door']")
        expect(newest).to_have_count(1)
        assert newest.evaluate("image => image.decode().then(() => image.naturalWidth)") == 32
        page.locator("input").fill("")
        page.get_by_role("button").click()
        expect(page.locator("output")).to_contain_text("prompt")
