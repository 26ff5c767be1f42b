"""Readers of event streams that others wrote: httpx-sse, and npm's eventsource."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_sse import connect_sse

from tests.clients.npm import installed, ran
from tests.serving import LiveServer, live_server

pytestmark = pytest.mark.clients

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(tmp_path_factory.mktemp("data"), preview_interval=0) as running:
        yield running


def url_of(server: LiveServer) -> str:
    return str(server.client.base_url).rstrip("/")


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`watch.mjs` beside the packages that it imports, as npm installs them."""
    folder = tmp_path_factory.mktemp("node")
    return installed(folder, HERE / "package.json", HERE / "watch.mjs") / "watch.mjs"


def watched(program: Path, *arguments: str) -> dict[str, Any]:
    done = ran("node", str(program), *arguments)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


def check(snapshots: list[dict[str, Any]]) -> None:
    """A job was followed step by step to its end."""
    data = [each["data"] for each in snapshots]
    assert data[-1]["status"] == "completed"
    assert [each["id"] for each in snapshots] == [
        f"{each['attempt']}.{each['seq']}" for each in data
    ]
    progress = [each["progress"] for each in data]
    assert progress == sorted(progress)
    assert len({each["step"] for each in data if each["step"]}) >= 5


def test_eventsource_follows_a_job_and_the_gallery(server: LiveServer, program: Path) -> None:
    seen = watched(program, url_of(server))
    check(seen["snapshots"])
    [picture] = seen["pictures"]
    job_id = seen["snapshots"][-1]["data"]["job_id"]
    assert picture["data"]["job_id"] == job_id
    assert picture["id"] == str(picture["data"]["id"])


def test_eventsource_sends_its_key_in_the_address(tmp_path: Path, program: Path) -> None:
    with live_server(tmp_path / "data", preview_interval=0) as closed:
        key = closed.service.keys.add("browser")
        assert closed.client.get("/api/sse/gallery").status_code == 401
        seen = watched(program, url_of(closed), key)
    check(seen["snapshots"])


def test_httpx_sse_follows_a_job(server: LiveServer) -> None:
    job_id = server.submit("blue", steps=20, delay=0.02)
    url = f"{url_of(server)}/api/sse/{job_id}"
    with httpx.Client(timeout=30) as client, connect_sse(client, "GET", url) as source:
        snapshots = [{"id": event.id, "data": event.json()} for event in source.iter_sse()]
    check(snapshots)
    assert {event["data"]["job_id"] for event in snapshots} == {job_id}
