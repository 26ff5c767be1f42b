"""A client that waits for its image and goes away: what becomes of its job."""

from __future__ import annotations

import json
import socket
from base64 import b64decode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.serving import LiveServer, live_server, until
from tests.support import PLUGINS

#: Every job takes a second and more.
SLOW: dict[str, Any] = {
    "models": [
        {"id": "slow", "family": "colours", "source": str(PLUGINS), "defaults": {"delay": 0.3}}
    ],
    "dialects": {"camera": {"model": "slow"}},
}


Serving = Callable[..., AbstractContextManager[LiveServer]]


@pytest.fixture
def serving(tmp_path: Path, camera_folder: Path) -> Serving:
    """Starts a server with the guide's dialect."""

    def start(**settings: Any) -> AbstractContextManager[LiveServer]:
        return live_server(tmp_path / "data", plugin_folder=camera_folder, **settings)

    return start


@contextmanager
def waiting(
    server: LiveServer, asked: dict[str, str], path: str = "/camera/snap", key: str = ""
) -> Iterator[None]:
    """A request that waits, on a socket that is closed when the block ends."""
    body = json.dumps(asked).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nIdempotency-Key: {key}\r\nHost: 127.0.0.1:{server.port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    before = len(jobs(server))
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(head.encode() + body)
        until(lambda: len(jobs(server)) > before)
        yield


def jobs(server: LiveServer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.client.get("/api/jobs").json()["jobs"]
    return found


def status(server: LiveServer) -> str:
    """Of the newest job."""
    return str(jobs(server)[0]["status"])


def test_a_queued_job_is_dropped(serving: Serving) -> None:
    with serving(on_start="pause") as running:
        with waiting(running, {"words": "a red boat"}):
            assert status(running) == "queued"
        until(lambda: status(running) == "cancelled")
        assert jobs(running)[0]["images"] == []


@pytest.mark.parametrize(("cancels", "outcome"), [(False, "completed"), (True, "cancelled")])
def test_a_running_job_is_finished_unless_the_settings_say_otherwise(
    serving: Serving, cancels: bool, outcome: str
) -> None:
    with serving(**SLOW, cancel_on_disconnect=cancels) as running:
        with waiting(running, {"words": "a green boat"}):
            until(lambda: status(running) == "processing")
        until(lambda: status(running) not in ("queued", "processing"))
        assert status(running) == outcome
        assert len(jobs(running)[0]["images"]) == (outcome == "completed")


def test_a_request_that_takes_too_long_is_told_so_and_its_job_goes_on(serving: Serving) -> None:
    with serving(**SLOW, generation_timeout=0.3) as running:
        answer = running.client.post("/camera/snap", json={"words": "a green boat"})
        assert answer.status_code == 504
        assert "generation_timeout" in answer.json()["trouble"]
        until(lambda: status(running) not in ("queued", "processing"))
        assert status(running) == "completed"


def test_whoever_waits_is_told_of_a_cancel(serving: Serving) -> None:
    with serving(**SLOW) as running, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(running.client.post, "/camera/snap", json={"words": "a boat"})
        until(lambda: [job["status"] for job in jobs(running)] == ["processing"])
        job_id = jobs(running)[0]["job_id"]
        assert running.client.post(f"/api/jobs/{job_id}/cancel").status_code == 200
        assert asked.result().json() == {"trouble": "The job was cancelled."}


def test_a_retry_of_a_dropped_job_is_a_job_of_its_own(serving: Serving) -> None:
    asked, path, key = {"prompt": "a red boat"}, "/v1/images/generations", "order 17"
    with serving(on_start="pause") as running:
        with waiting(running, asked, path, key):
            assert status(running) == "queued"
        until(lambda: status(running) == "cancelled")
        running.client.post("/api/queue/resume")
        answer = running.client.post(path, json=asked, headers={"Idempotency-Key": key})
        assert answer.status_code == 200, answer.text
        image = Image.open(BytesIO(b64decode(answer.json()["data"][0]["b64_json"])))
        assert image.getpixel((0, 0)) == (200, 30, 30)
        assert [job["status"] for job in jobs(running)] == ["completed", "cancelled"]
