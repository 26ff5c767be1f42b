"""One job store behind all APIs: what is submitted through one is seen, cancelled and deleted
through every other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.serving import LiveServer, live_server, until
from tests.support import PLUGINS

NAMES = ("bfl", "krea", "cyberimage", "desktop", "openai", "automatic1111")
PROMPT = "a red fox"

#: `steady` takes a second and more; `colours` no time.
MODELS = [{"id": "steady", "family": "colours", "source": str(PLUGINS), "defaults": {"delay": 0.2}}]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    dialects = {name: {"model": "colours", "rate_limit": False} for name in NAMES}
    data = tmp_path_factory.mktemp("data")
    with live_server(data, models=MODELS, dialects=dialects) as running:
        yield running


def post(client: httpx.Client, path: str, **body: Any) -> httpx.Response:
    return client.post(path, json={"prompt": PROMPT, **body})


#: How each API is asked for an image of a model.
SUBMIT: dict[str, Callable[[httpx.Client, str], httpx.Response]] = {
    "native": lambda client, model: post(client, "/api/generate", model=model),
    "bfl": lambda client, model: post(client, f"/v1/{model}"),
    "bfl's own": lambda client, model: post(client, f"/bfl/v1/{model}"),
    "krea": lambda client, model: post(client, "/krea/generate"),
    "cyberimage": lambda client, model: post(client, "/cyberimage/api/generate", model_id=model),
    "desktop": lambda client, model: post(client, "/api/generate/text-to-image"),
    "openai": lambda client, model: post(client, "/v1/images/generations", model=model),
    "automatic1111": lambda client, model: post(
        client, "/sdapi/v1/txt2img", override_settings={"sd_model_checkpoint": model}, steps=4
    ),
}

#: Those whose request names a model and is answered before the image is there.
AT_ONCE = ("native", "bfl", "bfl's own", "cyberimage")


@dataclass(frozen=True)
class Made:
    """A finished job's names in all APIs."""

    job_id: str
    filename: str
    row: int


def newest(server: LiveServer) -> dict[str, Any]:
    found: dict[str, Any] = server.client.get("/api/jobs?limit=1").json()["jobs"][0]
    return found


def made_by(server: LiveServer, api: str) -> Made:
    answer = SUBMIT[api](server.client, "colours")
    assert answer.status_code in (200, 202), answer.text
    job = server.finish(newest(server)["job_id"])
    [image] = job["images"]
    return Made(job["job_id"], image["filename"], image["id"])


def ids(found: Any, key: str) -> list[Any]:
    return [each[key] for each in found]


#: Where each API shows a finished job or its image: a look that says whether it is there.
SEEN: dict[str, Callable[[httpx.Client, Made], bool]] = {
    "native job": lambda client, made: (
        client.get(f"/api/jobs/{made.job_id}").json()["images"] != []
    ),
    "native gallery": lambda client, made: (
        made.filename in ids(client.get("/api/images").json()["images"], "filename")
    ),
    "native file": lambda client, made: client.get(f"/api/images/{made.filename}").is_success,
    "native thumbnail": lambda client, made: client.get(f"/api/thumbs/{made.filename}").is_success,
    "bfl result": lambda client, made: (
        client.get(f"/v1/get_result?id={made.job_id}").json().get("status") == "Ready"
    ),
    "bfl's own result": lambda client, made: (
        client.get(f"/bfl/v1/get_result?id={made.job_id}").json().get("status") == "Ready"
    ),
    "bfl history": lambda client, made: made.job_id in ids(client.get("/history").json(), "id"),
    "bfl output": lambda client, made: client.get(f"/outputs/flux_{made.job_id}.png").is_success,
    "cyberimage status": lambda client, made: (
        client.get(f"/cyberimage/api/status/{made.job_id}").json()["images"] != []
    ),
    "cyberimage gallery": lambda client, made: any(
        made.job_id in each["id"] for each in client.get("/cyberimage/api/gallery").json()["images"]
    ),
    "desktop history": lambda client, made: (
        made.row in ids(client.get("/api/history").json()["data"], "id")
    ),
    "desktop entry": lambda client, made: client.get(f"/api/history/{made.row}").is_success,
}

#: How each API deletes the image.
DELETE: dict[str, Callable[[httpx.Client, Made], httpx.Response]] = {
    "native": lambda client, made: client.delete(f"/api/images/{made.filename}"),
    "cyberimage": lambda client, made: client.delete(
        f"/cyberimage/api/image/img_{made.filename.removesuffix('.png')}"
    ),
    "desktop": lambda client, made: client.delete(f"/api/history/{made.row}"),
}


@pytest.mark.parametrize("api", SUBMIT)
def test_what_one_api_makes_is_seen_through_all(server: LiveServer, api: str) -> None:
    made = made_by(server, api)
    assert [place for place, is_there in SEEN.items() if not is_there(server.client, made)] == []


@pytest.mark.parametrize("api", DELETE)
def test_what_one_api_deletes_is_gone_from_all(server: LiveServer, api: str) -> None:
    made = made_by(server, "bfl")
    assert DELETE[api](server.client, made).is_success
    assert [place for place, is_there in SEEN.items() if is_there(server.client, made)] == []


#: What each API calls a job that runs, and one that was cancelled through another API.
WATCH: dict[str, tuple[Callable[[httpx.Client, str], Any], str, str]] = {
    "native": (
        lambda client, job_id: client.get(f"/api/jobs/{job_id}").json()["status"],
        "processing",
        "cancelled",
    ),
    "bfl": (
        lambda client, job_id: client.get(f"/v1/get_result?id={job_id}").json()["status"],
        "Processing",
        "Error",
    ),
    "bfl's own": (
        lambda client, job_id: client.get(f"/bfl/v1/get_result?id={job_id}").json()["status"],
        "Pending",
        "Error",
    ),
    "cyberimage": (
        lambda client, job_id: client.get(f"/cyberimage/api/status/{job_id}").json()["status"],
        "processing",
        "failed",
    ),
}


@pytest.mark.parametrize("api", AT_ONCE)
def test_a_running_job_is_watched_and_its_end_seen_through_all(
    server: LiveServer, api: str
) -> None:
    assert SUBMIT[api](server.client, "steady").is_success
    job_id = newest(server)["job_id"]
    until(lambda: newest(server)["status"] == "processing")
    running = {name: look(server.client, job_id) for name, (look, _, _) in WATCH.items()}
    assert running == {name: words[1] for name, words in WATCH.items()}
    assert server.client.post(f"/api/jobs/{job_id}/cancel").status_code == 200
    ended = {name: look(server.client, job_id) for name, (look, _, _) in WATCH.items()}
    assert ended == {name: words[2] for name, words in WATCH.items()}


#: What whoever waits is told of a cancel: status, and a word of the answer.
CANCELLED = {
    "krea": (500, "success"),
    "desktop": (500, "code"),
    "openai": (409, "error"),
    "automatic1111": (200, "images"),
}


@pytest.mark.parametrize("api", CANCELLED)
def test_whoever_waits_is_told_of_a_cancel_in_their_words(server: LiveServer, api: str) -> None:
    server.client.post("/api/queue/pause")
    try:
        with ThreadPoolExecutor(1) as pool:
            before = newest(server)["job_id"]
            waiting = pool.submit(SUBMIT[api], server.client, "colours")
            until(lambda: newest(server)["job_id"] != before)
            server.client.post(f"/api/jobs/{newest(server)['job_id']}/cancel")
            answer = waiting.result()
    finally:
        server.client.post("/api/queue/resume")
    status, word = CANCELLED[api]
    assert answer.status_code == status, answer.text
    assert word in answer.json()


def test_automatic1111_interrupts_its_own_job_and_no_other(server: LiveServer) -> None:
    held = server.submit(PROMPT, model="steady")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(SUBMIT["automatic1111"], server.client, "steady")
        until(lambda: newest(server)["job_id"] != held)
        assert server.client.post("/sdapi/v1/interrupt").is_success
        assert waiting.result().json()["images"] == []
    assert server.finish(held)["status"] == "completed"
    assert newest(server)["status"] == "cancelled"
