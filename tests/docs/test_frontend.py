"""The page for authors of front ends, run as printed: by curl, by Python, and in a browser."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import re
import shlex
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import needs_chromium
from tests.clients.npm import installed, ran
from tests.docs.pages import DOCS, blocks
from tests.serving import LiveServer, live_server, until

PAGE = DOCS / "how-to" / "frontend.md"
ADDRESS = "http://127.0.0.1:8000"
REACT = Path(__file__).parents[1] / "clients" / "react" / "package.json"

(HTML,) = blocks(PAGE, "html")
*PARTS, SESSION, STREAM_WITH_KEY = blocks(PAGE, "js")
MODULE = "\n".join(PARTS)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(tmp_path_factory.mktemp("data"), preview_interval=0) as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page()
    yield opened
    opened.close()


@contextlib.contextmanager
def listening(port: int, handler: Any) -> Iterator[str]:
    """Someone else's server in a thread; its address."""
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as other:
        thread = threading.Thread(target=other.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{other.server_port}"
        finally:
            other.shutdown()
            thread.join()


class Folder(SimpleHTTPRequestHandler):
    """Serves the files of a front end."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def hosted(folder: Path, server: LiveServer) -> Iterator[str]:
    """The page of plain JavaScript, on a port of its own, for this server."""
    folder.mkdir(exist_ok=True)
    (folder / "index.html").write_text(HTML, encoding="utf-8")
    module = MODULE.replace(ADDRESS, server.url)
    assert module.count(server.url) == 1
    (folder / "darkroom.js").write_text(module, encoding="utf-8")
    with listening(0, functools.partial(Folder, directory=str(folder))) as address:
        yield address


# --- curl and Python ------------------------------------------------------------------------


def lines_of_curl(server: LiveServer, job_id: str = "") -> list[list[str]]:
    commands = [shlex.split(block.replace("\\\n", " ")) for block in blocks(PAGE, "sh")]
    assert all(words[0] == "curl" for words in commands)
    return [
        [word.replace(ADDRESS, server.url).replace("JOB_ID", job_id) for word in words]
        for words in commands
    ]


def first_event(words: list[str]) -> dict[str, Any]:
    """The data of the first event of a stream without an end."""
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as curl:
        assert curl.stdout is not None
        data = next(line for line in curl.stdout if line.startswith(b"data: "))
        curl.kill()
    event: dict[str, Any] = json.loads(data.removeprefix(b"data: "))
    return event


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
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


# --- plain JavaScript -----------------------------------------------------------------------


@needs_chromium
def test_the_page_works_as_printed(server: LiveServer, page: Page, tmp_path: Path) -> None:
    streams: list[str] = []
    page.on("request", lambda request: streams.extend(re.findall(r"/api/sse/.*", request.url)))
    with hosted(tmp_path, server) as address:
        page.goto(address)
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
    assert sorted(streams) == ["/api/sse/gallery", "/api/sse/jobs"]


@needs_chromium
def test_one_job_is_watched_to_its_end(server: LiveServer, page: Page, tmp_path: Path) -> None:
    job_id = server.submit("blue", steps=20, delay=0.02)
    with hosted(tmp_path, server) as address:
        page.goto(address)
        seen = page.evaluate(
            """async (job) => {
              const { watch } = await import("./darkroom.js");
              const seen = [];
              await watch(job, ({ status, progress }) => seen.push({ status, progress }));
              return seen;
            }""",
            job_id,
        )
    assert seen[-1] == {"status": "completed", "progress": 1}
    assert len(seen) >= 5
    assert [each["progress"] for each in seen] == sorted(each["progress"] for each in seen)


@needs_chromium
def test_the_page_survives_a_restart(page: Page, tmp_path: Path) -> None:
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
            address = stack.enter_context(hosted(tmp_path / "site", first))
            page.goto(address)
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
def test_pages_give_their_key_as_printed(page: Page, tmp_path: Path) -> None:
    follow = """
      const opened = (source) => new Promise((resolve) => {
        source.onopen = () => { source.close(); resolve("open"); };
        source.onerror = () => resolve("refused");
      });
    """
    with live_server(tmp_path / "data") as closed:
        key = closed.service.keys.add("page")
        page.goto(f"{closed.url}/docs/errors")
        own = PARTS[0].replace("export ", "").replace(ADDRESS, "")
        states = page.evaluate(
            f"""async (key) => {{ {own} {follow}
              const before = await opened(new EventSource("/api/sse/jobs"));
              {SESSION}
              return [before, await opened(new EventSource("/api/sse/jobs"))];
            }}""",
            key,
        )
        assert states == ["refused", "open"]
        with hosted(tmp_path / "site", closed) as address:
            page.goto(address)
            state = page.evaluate(
                f"""async (key) => {{ {follow}
                  const {{ SERVER }} = await import("./darkroom.js");
                  return opened({STREAM_WITH_KEY.strip().removesuffix(";")});
                }}""",
                key,
            )
            assert state == "open"


# --- React ----------------------------------------------------------------------------------


@pytest.mark.clients
@needs_chromium
def test_the_component_works_as_printed(server: LiveServer, page: Page, tmp_path: Path) -> None:
    (code,) = blocks(PAGE, "jsx")
    site = tmp_path / "site"
    site.mkdir()
    installed(tmp_path, REACT)
    with hosted(site, server) as address:
        (tmp_path / "darkroom.js").write_text((site / "darkroom.js").read_text("utf-8"), "utf-8")
        (tmp_path / "studio.jsx").write_text(code, "utf-8")
        options = ("--bundle", "--jsx=automatic", f"--outfile={site / 'studio.js'}")
        built = ran("npx", "esbuild", "studio.jsx", *options, cwd=tmp_path)
        assert built.returncode == 0, built.stderr
        (site / "react.html").write_text(
            '<!doctype html><div id="root"></div><script src="studio.js"></script>', "utf-8"
        )
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{address}/react.html")
        page.locator("input").fill("a yellow door")
        page.get_by_role("button").click()
        expect(page.locator("p")).to_contain_text("completed")
        newest = page.locator("img[alt='a yellow door']")
        expect(newest).to_have_count(1)
        assert newest.evaluate("image => image.decode().then(() => image.naturalWidth)") == 32
        page.locator("input").fill("")
        page.get_by_role("button").click()
        expect(page.locator("output")).to_contain_text("prompt")
    assert complaints == []
