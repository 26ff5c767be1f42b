"""What the document prints works as printed, below the prefix and on a port of its own."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.dialects.cyberimage import document
from tests.dialects.cyberimage.asking import ended, get, made, picture, post, states, unlike
from tests.dialects.printed import commands, sent
from tests.docs.pages import DOCS
from tests.plugins.colours import left_edge
from tests.servers import ServerProcess

CONFIG = """
default_model = "colours"
device = "cpu"

[dialects.cyberimage]
model = "flux-1"
rate_limit = false

[dialects.cyberimage.aliases]
"flux-1" = "colours"
"sd-3.5" = "colours"
postcard = "colours"
lost = "no-such-model"

[[models]]
id = "slow"
family = "colours"
source = "."
defaults = { delay = 0.2 }
"""

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ServerProcess]:
    (folder / "darkroom.toml").write_text(CONFIG)
    options = ("--config", str(folder / "darkroom.toml"), "--plugin-folder", "tests/plugins")
    with ServerProcess(folder / "data", *options, "--listen", "cyberimage=0") as process:
        yield process


@pytest.fixture(scope="module", params=["main", "own"])
def api(request: pytest.FixtureRequest, server: ServerProcess) -> Iterator[httpx.Client]:
    own = f"{server.url_of('cyberimage')}/api/"
    base = own if request.param == "own" else f"{server.url}/cyberimage/api/"
    with httpx.Client(base_url=base, timeout=60) as client:
        yield client


def test_the_models_are_listed(api: httpx.Client) -> None:
    found = get(api, "models")
    assert unlike(document.MODELS, found) == []
    assert found["models"]["flux-1"] == {"id": "colours", "description": "Colours"}
    assert found["models"]["flux-abliterated"]["id"] == "aoxo/flux.1dev-abliteratedv2"
    assert found["models"]["flux-2"]["id"] == "black-forest-labs/FLUX.2-klein-4B"
    assert found["models"]["lost"]["description"] == "no-such-model is not installed."
    assert "upscaler" not in str(found), "what needs a given image is none of these"
    assert found["default"] == "flux-1"


def test_the_printed_request_is_answered_as_printed(api: httpx.Client) -> None:
    accepted = post(api, "generate", document.GENERATE_BODY)
    assert accepted == {**document.GENERATED, "job_id": accepted["job_id"]}
    state = ended(api, accepted["job_id"])
    assert unlike(document.COMPLETED, state) == []
    assert (state["status"], state["message"]) == ("completed", "Generated 1 image(s)")
    assert (state["model_id"], state["prompt"]) == ("flux-1", document.GENERATE_BODY["prompt"])
    assert state["negative_prompt"] == document.GENERATE_BODY["negative_prompt"]
    assert state["settings"] == document.GENERATE_BODY["settings"]
    assert state["progress"] == {**document.COMPLETED["progress"], "step": 30, "total_steps": 30}
    assert all(TIME.fullmatch(state[f"{word}_at"]) for word in ("created", "started", "completed"))
    [image] = state["images"]
    shown = picture(api, image["id"])
    assert shown.size == (1024, 1024)
    assert shown.getpixel((0, 512)) == left_edge(document.GENERATE_BODY["prompt"])


def test_the_printed_command_makes_two_images(api: httpx.Client) -> None:
    job_id = post(api, "generate", document.CURL_BODY)["job_id"]
    state = ended(api, job_id)
    assert unlike(document.COMPLETED, state) == []
    assert state["message"] == "Generated 2 image(s)"
    first, second = state["images"]
    day = state["images"][0]["created_at"][:10].replace("-", "/")
    assert first["file_path"] == f"{day}/{first['id']}.png"
    assert [each["metadata"]["image_number"] for each in (first, second)] == [1, 2]
    assert {each["metadata"]["total_images"] for each in (first, second)} == {2}
    assert (
        api.get(f"get_image/{first['id']}").content != api.get(f"get_image/{second['id']}").content
    )
    told = get(api, f"image/{second['id']}/metadata")
    assert unlike(document.METADATA, told) == []
    assert {**second["metadata"], "generation_time": told["generation_time"]} == told
    assert 0 < told["generation_time"] < 60
    assert told["settings"] == document.CURL_BODY["settings"]


def test_an_image_is_deleted(api: httpx.Client, server: ServerProcess) -> None:
    state = made(api, num_images=2)
    gone, left = (image["id"] for image in state["images"])
    assert api.delete(f"image/{gone}").json() == document.DELETED
    for answer in (api.get(f"get_image/{gone}"), api.get(f"image/{gone}/metadata")):
        assert answer.status_code == 404
        assert unlike(document.ERROR, answer.json()) == []
    assert api.delete(f"image/{gone}").status_code == 404
    assert [image["id"] for image in get(api, f"status/{state['id']}")["images"]] == [left]
    assert f"{gone.removeprefix('img_')}.png" not in str(server.images())


def test_the_queue_is_counted(api: httpx.Client) -> None:
    before = get(api, "queue")
    assert unlike(document.QUEUE, before) == []
    made(api)
    post(api, "generate", {"model_id": "lost", "prompt": "red"})
    after = get(api, "queue")
    assert after["completed"] == before["completed"] + 1
    assert after["failed"] == before["failed"] + 1
    assert after["total"] == before["total"] + 2
    told = get(api, "queue", detailed="true")
    assert unlike(document.DETAILED_QUEUE, told) == []
    assert told["recent_24h"] == {word: told[word] for word in document.QUEUE if "size" not in word}
    assert told["models"]["lost"]["failed"] == told["models"]["lost"]["total"] > 0
    assert told["models"]["flux-1"]["completed"] > 0
    ended_jobs = told["completed"] + told["failed"]
    assert told["failure_rate"] == round(100 * told["failed"] / ended_jobs, 2)
    assert told["avg_processing_time_seconds"] > 0


def test_the_gallery_is_searched(api: httpx.Client, server: ServerProcess) -> None:
    server.wait(server.submit("a yellow lighthouse", model="colours"))
    word = "lighthouse" if "cyberimage" in str(api.base_url) else "windmill"
    mine = [made(api, f"a blue {word} {place}")["images"][0]["id"] for place in ("near", "far")]
    page = get(api, "gallery", search=f"{word} flux-1")
    assert unlike(document.GALLERY, page) == []
    assert [image["id"] for image in page["images"]] == mine[::-1]
    assert (page["page"], page["limit"], page["has_more"], page["total"]) == (1, 20, False, 2)
    assert get(api, "gallery", search=f"{word} blue", model="flux-1")["total"] == 2
    assert get(api, "gallery", search=f"{word} flux-1 green")["total"] == 0
    native = get(api, "gallery", search="yellow", model="colours")["images"][0]
    assert (native["model_id"], native["settings"]["num_inference_steps"]) == ("colours", 4)
    second = get(api, "gallery", search=word, model="flux-1", page=2, limit=1)
    assert [image["id"] for image in second["images"]] == mine[:1]
    assert (second["has_more"], second["total"]) == (False, 2)
    assert get(api, "gallery", page=-3, limit=1000)["limit"] == 50


def test_a_prompt_is_enriched(api: httpx.Client) -> None:
    found = post(api, "enrich", document.ENRICH_BODY)
    assert unlike(document.ENRICHED, found) == []
    assert found["enriched_prompt"].startswith("a castle on a hill, ")
    assert found["style"] == "fantasy"
    assert post(api, "enrich", {"prompt": "a castle"})["style"] == "cyberpunk"
    long = post(api, "enrich", {"prompt": "word " * 80, "style": "anime"})["enriched_prompt"]
    assert len(long) <= 500, "or it could not be generated"


def test_a_job_that_nobody_runs_is_reset(api: httpx.Client, folder: Path) -> None:
    assert post(api, "reset_queue", None) == {
        **document.RESET,
        "reset_count": 0,
        "message": "Reset 0 stalled jobs to pending status",
    }
    state = made(api, "a green door")
    api.delete(f"image/{state['images'][0]['id']}")
    with sqlite3.connect(folder / "data" / "darkroom.db") as database:
        values = "status = 'processing', finished_at = NULL, images_done = '[]'"
        database.execute(f"UPDATE jobs SET {values} WHERE id = ?", (state["id"],))
    database.close()
    assert get(api, f"status/{state['id']}")["status"] == "processing"
    assert post(api, "reset_queue", None)["reset_count"] == 1
    [image] = ended(api, state["id"])["images"]
    assert picture(api, image["id"]).getpixel((0, 32)) == (30, 160, 60)


def test_progress_is_real(api: httpx.Client) -> None:
    settings = {"num_images": 2, "num_inference_steps": 4, "width": 64, "height": 64}
    body = {"model_id": "slow", "prompt": "red", "settings": settings}
    seen = list(states(api, post(api, "generate", body)["job_id"]))
    generating = [state for state in seen if state["progress"]["generating"]]
    steps = []
    for state in generating:
        assert unlike(document.PROCESSING, {**state, "images": []}) == []
        said = re.fullmatch(r"Generating image (\d) of 2\.\.\. Step (\d)/4", state["message"])
        assert said, state["message"]
        steps.append((int(said[1]), int(said[2])))
        assert (state["progress"]["step"], state["progress"]["total_steps"]) == (steps[-1][1], 4)
    assert steps == sorted(steps)
    assert {image for image, _ in steps} == {1, 2}
    for state in seen:
        flags = [word for word, value in state["progress"].items() if value is True]
        assert len(flags) == (state["status"] != "pending")
    assert seen[-1]["progress"]["completed"]


def test_the_commands_of_our_page_work_as_printed(server: ServerProcess) -> None:
    names = {"JOB": "", "IMAGE": ""}
    found = {}
    for command in commands(DOCS / "how-to" / "dialects" / "cyberimage.md"):
        filled = command.replace("JOB", names["JOB"]).replace("IMAGE", names["IMAGE"])
        answer = sent(server.client, filled)
        assert answer.status_code == 200, command
        path = answer.url.path.split("/")[3]
        found[path, answer.request.method] = answer
        if path == "generate":
            names["JOB"] = answer.json()["job_id"]
            server.wait(names["JOB"])
        elif path == "status":
            names["IMAGE"] = answer.json()["images"][0]["id"]
    assert {path for path, _ in found} == {
        *("models", "generate", "status", "get_image", "image", "queue", "gallery", "enrich"),
        "reset_queue",
    }
    assert found["get_image", "GET"].content.startswith(b"\x89PNG")
    assert names["IMAGE"] in {image["id"] for image in found["gallery", "GET"].json()["images"]}
    assert found["image", "DELETE"].json() == document.DELETED


def test_the_printed_client_runs(server: ServerProcess, tmp_path: Path) -> None:
    address = f"{server.url_of('cyberimage')}/api"
    program = document.CLIENT.replace("http://localhost:5050/api", address)
    program = program.replace("time.sleep(5)", "time.sleep(0.1)")
    assert (address in program, "sleep(0.1)" in program) == (True, True)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "Saved image 1/2\nSaved image 2/2\n" in done.stdout
    for number in (1, 2):
        data = (tmp_path / f"generated_image_{number}.png").read_bytes()
        assert data.startswith(b"\x89PNG")
