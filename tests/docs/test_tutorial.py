"""README.md and the tutorial, followed word by word on a real server with the embedded model."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests.browser.chromium import launched, needs_chromium
from tests.docs.pages import DOCS, ROOT, blocks, name, prose
from tests.servers import ServerProcess

README = ROOT / "README.md"
TUTORIAL = DOCS / "tutorial.md"
IMAGES = DOCS / "how-to" / "image-to-image.md"
LORAS = DOCS / "how-to" / "loras.md"
FAMILIES = sorted((DOCS / "families").glob("*.md"))
ADDRESS = "http://127.0.0.1:8000"

#: The options of curl that the pages use, with their meaning.
CURL = argparse.ArgumentParser("curl", exit_on_error=False)
CURL.add_argument("url")
CURL.add_argument("-N", action="store_true")
CURL.add_argument("-O", action="store_true")
CURL.add_argument("-o", type=Path)
CURL.add_argument("-X")
CURL.add_argument("-H", action="append", default=[])
CURL.add_argument("-d")
CURL.add_argument("-F", action="append", default=[])


#: Makes the variables of the page's script visible, and notes each picture that it shows.
WATCH = """
Object.assign(window, {stream, picture, sources: []});
const note = () => sources.push(picture.src);
new MutationObserver(note).observe(picture, {attributeFilter: ["src"]});
"""

#: The width of what is shown when the stream has closed. (playwright's own way to wait evaluates
#: text in the page, which its Content-Security-Policy refuses.)
END = """
new Promise(resolve => {
  const look = () => stream.readyState === EventSource.CLOSED && picture.complete
    ? resolve(picture.naturalWidth) : setTimeout(look, 50);
  look();
})
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("tutorial") / "data") as running:
        yield running


#: Whose requests have no words.
UPSCALERS = DOCS / "families" / "enlarger.md"


class Reader:
    """Someone who types the commands of a page and puts the newest job's id for JOB_ID."""

    def __init__(self, server: ServerProcess, folder: Path) -> None:
        self._server = server
        self._folder = folder
        self.jobs: list[str] = []

    def follow(self, page: Path) -> list[httpx.Response]:
        """Run every curl command of the page; the answers."""
        answers = []
        for block in blocks(page, "sh"):
            words = shlex.split(block.replace("\\\n", " "))
            if words[0] == "curl":
                answers.append(self._curl(words[1:]))
        return answers

    def _curl(self, words: list[str]) -> httpx.Response:
        given = CURL.parse_args(words)
        url = given.url.removeprefix(ADDRESS)
        assert url.startswith("/"), words
        if "JOB_ID" in url:
            url = url.replace("JOB_ID", self.jobs[-1])
        if "/api/images/" in url:
            self._server.wait(self.jobs[-1])
        headers = {} if given.d is None else {"Content-Type": "application/x-www-form-urlencoded"}
        headers |= dict(header.split(": ", 1) for header in given.H)
        method = given.X or ("GET" if given.d is None and not given.F else "POST")
        body = {"files": self._form(given.F)} if given.F else {"content": self._filled(given.d)}
        with self._server.client.stream(method, url, headers=headers, **body) as answer:
            assert answer.is_success, words
            if url != "/api/sse/gallery":  # has no end
                answer.read()
        self._note(answer, given.o or (Path(url).name if given.O else None))
        return answer

    def _filled(self, body: str | None) -> str | None:
        if body is None or "JOB_ID" not in body:
            return body
        self._server.wait(self.jobs[-1])
        return body.replace("JOB_ID", self.jobs[-1])

    def _form(self, fields: list[str]) -> list[tuple[str, tuple[str | None, bytes]]]:
        parts: list[tuple[str, tuple[str | None, bytes]]] = []
        for word, _, value in (field.partition("=") for field in fields):
            if value.startswith("@"):
                parts.append((word, (value[1:], (self._folder / value[1:]).read_bytes())))
            else:
                parts.append((word, (None, value.encode())))
        return parts

    def _note(self, answer: httpx.Response, file: str | Path | None) -> None:
        if answer.status_code == 202:
            self.jobs.append(answer.json()["job_id"])
        if file is not None:
            (self._folder / file).write_bytes(answer.content)


class DryReader(Reader):
    """Someone who only wants to know what would run."""

    def _curl(self, words: list[str]) -> httpx.Response:
        url = f"{ADDRESS}/api/generate"
        assert words.count(url) == 1
        return super()._curl([f"{url}?dry_run=true" if word == url else word for word in words])


def test_the_readme_leads_to_a_picture(server: ServerProcess, tmp_path: Path) -> None:
    reader = Reader(server, tmp_path)
    _, stream, picture = reader.follow(README)
    assert '"status":"completed"' in stream.text.rpartition("data: ")[2]
    assert picture.headers["content-type"] == "image/png"
    assert (tmp_path / f"{reader.jobs[0]}_0.png").read_bytes() == picture.content


def test_the_tutorial_works_as_printed(
    server: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Reader(server, tmp_path)
    answers = reader.follow(TUTORIAL)
    plan = next(answer.json() for answer in answers if "dry_run" in str(answer.url))
    assert plan["expected_seconds"] > 0 and "clip_skip" in plan["warnings"][0]
    cancelled, several, again = (server.wait(job) for job in reader.jobs[1:])
    assert cancelled["status"] == "cancelled"
    pair = [several["images"][2], again["images"][0]]
    assert [image["seed"] for image in pair] == [102, 102]
    assert _pixels(server, pair[0]["filename"]) == _pixels(server, pair[1]["filename"])

    monkeypatch.chdir(tmp_path)
    printed = io.StringIO()
    (code,) = blocks(TUTORIAL, "python")
    with contextlib.redirect_stdout(printed):
        exec(code, {})
    recipe, _, parameters = printed.getvalue().partition("\n")
    assert json.loads(recipe)["seed"] == 7
    assert parameters in blocks(TUTORIAL, "")


def test_the_ways_to_give_an_image_work_as_printed(
    server: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Reader(server, tmp_path)
    reader.follow(TUTORIAL)
    _mask().save(tmp_path / "mask.png")
    reader.follow(IMAGES)
    monkeypatch.chdir(tmp_path)
    printed = io.StringIO()
    (code,) = blocks(IMAGES, "python")
    with contextlib.redirect_stdout(printed):
        exec(code.replace(ADDRESS, server.url), {})
    *given, inpainted = reader.jobs[-3:]
    jobs = [server.wait(job) for job in (*given, printed.getvalue().strip())]
    assert [job["status"] for job in jobs] == ["completed"] * 3
    recipes = [job["images"][0] for job in jobs]
    assert [recipe["strength"] for recipe in recipes] == [0.5] * 3
    assert recipes[0]["init_image"] == recipes[2]["init_image"], "the same file"
    assert all(recipe["init_image"].startswith("input:") for recipe in recipes)
    assert [job["warnings"] for job in jobs] == [[]] * 3
    (image,) = server.wait(inpainted)["images"]
    before, after = Image.open(tmp_path / "sea.png"), io.BytesIO(server.png(image["filename"]))
    left = (0, 0, 60, before.height)
    assert before.crop(left).tobytes() == Image.open(after).crop(left).tobytes()
    assert image["mask_image"].startswith("input:") and image["strength"] == 1


def _mask() -> Image.Image:
    """White on the right."""
    mask = Image.new("L", (128, 128))
    mask.paste(255, (64, 0, 128, 128))
    return mask


def test_the_page_about_loras_works_as_printed(server: ServerProcess, tmp_path: Path) -> None:
    reader = Reader(server, tmp_path)
    _, shown, listed, rescan, edited = reader.follow(LORAS)
    assert [lora["name"] for lora in listed.json()["loras"]] == ["Neon"]
    assert rescan.json()["total"] == 2
    assert (edited.json()["weight"], edited.json()["notes"]) == (0.8, "for nights")
    job = server.wait(shown.json()["job_id"])
    assert job["status"] == "completed"
    (said,) = re.findall(r'`"loras": \[(\{[^`]*?), …\}\]`', prose(LORAS).replace("\n", " "))
    (lora,) = job["loras"]
    words = json.loads(f"{said}}}")
    assert {word: lora[word] for word in words} == words


def test_the_page_about_upscalers_works_as_printed(server: ServerProcess, tmp_path: Path) -> None:
    Image.new("RGB", (20, 10), "teal").save(tmp_path / "sea.png")
    reader = Reader(server, tmp_path)
    reader.jobs.append(server.submit("the sea", width=64, height=64, steps=1))
    sizes = []
    for answer in reader.follow(UPSCALERS):
        (image,) = server.wait(answer.json()["job_id"])["images"]
        sizes.append((image["width"], image["height"]))
    assert sizes == [(192, 192), (80, 40)]


@pytest.mark.parametrize("page", [page for page in FAMILIES if page != UPSCALERS], ids=name)
def test_the_lines_to_paste_are_the_bodies_of_the_page(
    server: ServerProcess, tmp_path: Path, page: Path
) -> None:
    for file in ("fox.png", "style.png", "more.png"):
        Image.new("RGB", (80, 80)).save(tmp_path / file)
    plan, *forms = [answer.json() for answer in DryReader(server, tmp_path).follow(page)]
    body = json.loads(re.sub(r"\s//.*$", "", blocks(page, "jsonc")[0], flags=re.MULTILINE))
    assert plan["family"] == page.stem
    params = {**plan["params"], "loras": []}
    assert {word: params[word] for word in body} == body
    for form in forms:
        assert form["params"]["init_image"].startswith("input:")
        assert len(form["params"]["reference_images"]) == 2


def test_the_answer_that_the_tutorial_prints_is_the_servers(server: ServerProcess) -> None:
    (shown,) = blocks(TUTORIAL, "json")
    answer = server.client.post("/api/generate", json={"prompt": "a red heart", "steps": 1})
    identifier = re.compile(r"\d{8}_\d{6}_[0-9a-f]{8}")
    assert identifier.sub("", json.dumps(json.loads(shown))) == identifier.sub(
        "", json.dumps(answer.json())
    )


@needs_chromium
def test_the_ten_lines_show_the_picture_in_a_browser(server: ServerProcess) -> None:
    (script,) = blocks(TUTORIAL, "js")
    assert len(script.splitlines()) == 10
    statuses: list[int] = []
    with launched() as browser:
        page = browser.new_page()
        page.on("response", lambda answer: statuses.append(answer.status))
        page.goto(server.url)
        page.evaluate(f"async () => {{ {script} {WATCH} }}")
        width = page.evaluate(END)
        sources = page.evaluate("sources")
    assert 204 in statuses, "EventSource was told that there is nothing more"
    assert sum(source.startswith("data:image/jpeg") for source in sources) >= 3
    assert sources[-1].endswith("_0.png") and width == 128


def _pixels(server: ServerProcess, filename: str) -> bytes:
    return Image.open(io.BytesIO(server.png(filename))).tobytes()
