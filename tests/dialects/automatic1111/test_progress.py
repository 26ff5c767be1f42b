"""Progress and interrupt: of one's own requests, while they block."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.dialects.automatic1111.conftest import SLOW
from tests.dialects.automatic1111.pictures import RED, decoded
from tests.dialects.automatic1111.recorded import IDLE
from tests.fake_sources import FakeSources, sha256, weights
from tests.serving import LiveServer, live_server, until
from tests.support import PLUGINS, know_hub

#: A model that has to be downloaded first.
WEIGHTS = weights(100_000)
FAR = {
    "model_index.json": b'{"_class_name": "Pipeline", "unet": ["diffusers", "UNet"]}',
    "unet/config.json": b"{}",
    "unet/diffusion_pytorch_model.safetensors": WEIGHTS,
}

Answer = Future[httpx.Response]


@contextmanager
def blocking(client: httpx.Client, auth: Any = None, **words: Any) -> Iterator[Answer]:
    """A request for two images that takes a second, on its way."""
    body = {
        "prompt": "a red ball",
        "width": 64,
        "height": 64,
        "steps": 10,
        "n_iter": 2,
        "override_settings": {"sd_model_checkpoint": SLOW},
        **words,
    }
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(client.post, "/sdapi/v1/txt2img", json=body, auth=auth)


def progress(client: httpx.Client, auth: Any = None) -> dict[str, Any]:
    answer = client.get("/sdapi/v1/progress?skip_current_image=true", auth=auth)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def step(client: httpx.Client) -> tuple[int, int]:
    """The image that the client's request is at, and its step."""
    state = progress(client)["state"]
    return state["job_no"], state["sampling_step"]


def test_progress_answers_while_a_request_blocks(server: LiveServer, own: httpx.Client) -> None:
    assert progress(own) == IDLE
    seen = []
    with blocking(own) as asked:
        while not asked.done():
            seen.append(progress(own))
    busy = [each for each in seen if each["state"]["job_count"]]
    assert {each["state"]["job_count"] for each in busy} == {2}
    assert {each["state"]["job"] for each in busy} == {"txt2img"}
    assert {each["state"]["job_no"] for each in busy} == {0, 1}
    assert max(each["state"]["sampling_step"] for each in busy) > 2
    shares = [each["progress"] for each in busy]
    assert shares == sorted(shares)
    assert 0 < max(shares) <= 1
    assert asked.result().status_code == 200
    until(lambda: progress(own) == IDLE)


def test_a_request_is_stopped_with_the_images_that_it_had_made(own: httpx.Client) -> None:
    with blocking(own, steps=12, n_iter=3) as asked:
        until(lambda: step(own) >= (1, 1))
        stopped = own.post("/sdapi/v1/interrupt")
        assert (stopped.status_code, stopped.json()) == (200, {})
    answer = asked.result()
    assert answer.status_code == 200
    [image] = answer.json()["images"]
    assert decoded(image).getpixel((0, 9)) == RED
    info = json.loads(answer.json()["info"])
    assert (len(info["infotexts"]), len(info["all_seeds"])) == (1, 3)
    until(lambda: progress(own) == IDLE)


def test_a_request_that_runs_comes_before_one_that_waits_for_its_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = {"id": SLOW, "family": "colours", "source": str(PLUGINS), "defaults": {"delay": 0.05}}
    far = {"id": "far", "like": "colours", "source": "org/far"}
    with FakeSources() as fake:
        fake.add_repository("org/far", FAR)
        fake.fail(f"/blobs/{sha256(WEIGHTS)}", fake.stall(WEIGHTS, 1000))
        know_hub(fake.sites().hub.url, tmp_path, monkeypatch)
        with live_server(
            tmp_path / "data", models=[slow, far], allow_private_sources=True
        ) as running:
            client = running.client
            with blocking(client, override_settings={"sd_model_checkpoint": "far"}) as waits:
                until(lambda: progress(client)["textinfo"] == "downloading")
                with blocking(client, n_iter=1, steps=40) as runs:
                    until(lambda: step(client) >= (0, 1))
                    client.post("/sdapi/v1/interrupt")
                assert runs.result().json()["images"] == []
                assert not waits.done()
                fake.release()
            assert len(waits.result().json()["images"]) == 2


def test_a_native_cancel_stops_it_as_well(server: LiveServer, own: httpx.Client) -> None:
    with blocking(own) as asked:
        until(lambda: step(own) >= (0, 1))
        [job] = server.client.get("/api/jobs?status=processing").json()["jobs"]
        assert server.client.post(f"/api/jobs/{job['job_id']}/cancel").status_code == 200
    assert (asked.result().status_code, asked.result().json()["images"]) == (200, [])


def test_with_nothing_to_stop_nothing_happens(own: httpx.Client) -> None:
    stopped = own.post("/sdapi/v1/interrupt")
    assert (stopped.status_code, stopped.json()) == (200, {})
    skipped = own.post("/sdapi/v1/skip")
    assert (skipped.status_code, skipped.json()) == (200, None)


def test_jobs_of_other_apis_are_not_told_of_and_not_stopped(
    server: LiveServer, own: httpx.Client
) -> None:
    job_id = server.submit("red", model=SLOW, steps=6)
    assert progress(own) == IDLE
    own.post("/sdapi/v1/interrupt")
    assert server.finish(job_id)["status"] == "completed"


def test_a_strangers_request_is_neither_shown_nor_stopped(
    server: LiveServer, own: httpx.Client, key: Callable[..., str]
) -> None:
    mine, other = ("any", key("mine")), ("any", key("other"))
    with blocking(own, auth=mine, n_iter=1) as asked:
        until(lambda: progress(own, mine)["state"]["sampling_step"] > 0)
        assert progress(own, other) == IDLE
        assert own.post("/sdapi/v1/interrupt", auth=other).status_code == 200
    assert len(asked.result().json()["images"]) == 1


def test_a_request_whose_client_went_away_can_be_stopped(
    server: LiveServer, own: httpx.Client
) -> None:
    body = {
        "prompt": "red",
        "width": 64,
        "height": 64,
        "override_settings": {"sd_model_checkpoint": SLOW},
    }
    with httpx.Client(base_url=own.base_url, timeout=0.3) as leaving:
        try:
            leaving.post("/sdapi/v1/txt2img", json=body)
        except httpx.ReadTimeout:
            went_away = True
    assert went_away
    until(lambda: step(own) >= (0, 1))
    own.post("/sdapi/v1/interrupt")
    until(lambda: progress(own) == IDLE)
    newest = server.client.get("/api/jobs?limit=1").json()["jobs"][0]
    assert newest["status"] == "cancelled"
