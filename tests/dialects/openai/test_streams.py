"""Streams: images while they develop, and how streams end."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_sse import connect_sse

from tests.dialects.openai.asking import GENERATIONS, events, opened, refused
from tests.serving import PATIENCE, LiveServer, live_server, until

ASKED: dict[str, Any] = {"prompt": "a teal boat", "model": "slow", "stream": True}
PARTIAL, COMPLETED = "image_generation.partial_image", "image_generation.completed"


def newest(server: LiveServer) -> dict[str, Any]:
    """The newest job."""
    found: dict[str, Any] = server.client.get("/api/jobs", params={"limit": 1}).json()["jobs"][0]
    return found


def brightness(event: dict[str, Any]) -> int:
    """How bright an image is in its middle."""
    level = opened(event["b64_json"]).convert("L").getpixel((4, 4))
    assert isinstance(level, int)
    return level


def test_partial_images_are_previews_of_the_running_job(client: httpx.Client) -> None:
    told = events(client, GENERATIONS, json={**ASKED, "partial_images": 3})
    partials = [event for name, event in told if name == PARTIAL]
    assert [name for name, _ in told] == [PARTIAL] * len(partials) + [COMPLETED]
    assert 1 <= len(partials) <= 3, "fewer where the image is quicker than its previews"
    assert [event["partial_image_index"] for event in partials] == [*range(len(partials))]
    levels = [brightness(event) for event in partials]
    assert levels == sorted({*levels}), "each further than the one before"
    assert {event["size"] for _, event in told} == {"64x64"}
    assert opened(told[-1][1]["b64_json"]).getpixel((0, 0)) == (0, 128, 128)


def test_without_partial_images_there_are_finished_ones_alone(server: LiveServer) -> None:
    told = events(server.client, GENERATIONS, json={**ASKED, "n": 2, "steps": 1})
    assert [name for name, _ in told] == [COMPLETED, COMPLETED]


def test_each_image_has_its_own_partial_images(server: LiveServer) -> None:
    told = events(server.client, GENERATIONS, json={**ASKED, "n": 2, "partial_images": 1})
    indices = [event.get("partial_image_index") for _, event in told]
    assert indices.count(None) == 2
    assert {*indices} == {0, None}
    assert indices[-1] is None


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_partial_images_have_the_format_of_the_finished_one(server: LiveServer, kind: str) -> None:
    body = {**ASKED, "partial_images": 1, "output_format": kind}
    told = events(server.client, GENERATIONS, json=body)
    assert {event["output_format"] for _, event in told} == {kind}
    assert {opened(event["b64_json"]).format for _, event in told} == {kind.upper()}


def test_a_failure_is_the_last_event(server: LiveServer) -> None:
    body = {"prompt": "raise at image 1", "model": "dall-e-3", "n": 2, "stream": True}
    [(first, _), (name, event)] = events(server.client, GENERATIONS, json=body)
    assert (first, name) == (COMPLETED, "error")
    assert (event["error"]["code"], event["error"]["type"]) == ("generation_failed", "server_error")
    assert "asked to raise" in event["error"]["message"]


def test_a_cancel_is_the_last_event(server: LiveServer) -> None:
    before = newest(server)["job_id"]
    body = {**ASKED, "steps": 50}
    with ThreadPoolExecutor(1) as pool:
        told = pool.submit(events, server.client, GENERATIONS, json=body)
        until(lambda: newest(server)["job_id"] != before)
        assert server.client.post(f"/api/jobs/{newest(server)['job_id']}/cancel").status_code == 200
        [(name, event)] = told.result()
    assert (name, event["error"]["code"]) == ("error", "cancelled")


def test_the_end_of_the_server_is_the_last_event(tmp_path: Path, plugin_folder: Path) -> None:
    settings = {"plugin_folder": plugin_folder, "on_start": "pause"}
    with ThreadPoolExecutor(1) as pool, httpx.Client(timeout=PATIENCE) as client:
        with live_server(tmp_path / "data", **settings) as running:
            url = str(running.client.base_url.join(GENERATIONS))
            body = {"prompt": "red", "model": "colours", "stream": True}
            told = pool.submit(events, client, url, json=body)
            until(lambda: running.client.get("/api/jobs").json()["jobs"] != [])
        [(name, event)] = told.result()
    assert (name, event["error"]["code"]) == ("error", "shutting_down")


def test_what_is_refused_is_no_stream(server: LiveServer) -> None:
    answer = server.client.post(GENERATIONS, json={**ASKED, "model": "nothing"})
    assert "nothing" in refused(answer, 404, "model_not_found", "model")


def test_a_client_that_goes_away_leaves_its_job(server: LiveServer) -> None:
    server.client.post("/api/queue/pause")
    try:
        with connect_sse(server.client, "POST", GENERATIONS, json=ASKED) as source:
            assert source.response.status_code == 200
            job = newest(server)
            assert job["status"] == "queued"
        until(lambda: newest(server)["status"] == "cancelled")
        assert newest(server)["job_id"] == job["job_id"]
    finally:
        server.client.post("/api/queue/resume")


def test_events_are_json_on_one_line(server: LiveServer) -> None:
    with connect_sse(server.client, "POST", GENERATIONS, json={**ASKED, "steps": 1}) as source:
        assert source.response.headers["content-type"].startswith("text/event-stream")
        [event] = source.iter_sse()
    assert json.loads(event.data)["type"] == event.event == COMPLETED
