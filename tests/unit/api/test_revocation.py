"""Keys that are revoked while something of theirs is still open."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from server.http import guard
from tests.serving import PATIENCE, LiveServer, live_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server whose client has a key of its own."""
    with live_server(tmp_path_factory.mktemp("data"), preview_interval=-1) as running:
        running.client.headers["x-key"] = running.service.keys.add("owner")
        yield running


@pytest.fixture
def visitor(server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A key called `visitor`, asked for anew with all that it is sent."""
    monkeypatch.setattr(guard, "RECHECK", 0)
    yield server.service.keys.add("visitor")
    assert all(key.revoked_at for key in server.service.keys.records() if key.name == "visitor")


@pytest.mark.parametrize("path", ["/api/sse/jobs", "/api/sse/gallery"])
def test_a_stream_shows_nothing_more(server: LiveServer, visitor: str, path: str) -> None:
    with (
        server.open(f"{path}?key={visitor}") as revoked,
        server.open(path, x_key=owner(server)) as other,
    ):
        assert (revoked.status, other.status) == (200, 200)
        server.service.keys.revoke("visitor")
        made = server.made("for the owner's eyes")
        assert revoked.data() == []
        assert made["job_id"] in other.next()["data"]


def test_a_jobs_stream_ends_with_the_key(server: LiveServer, visitor: str) -> None:
    server.client.post("/api/queue/pause")
    job_id = server.submit()
    with server.open(f"/api/sse/{job_id}?key={visitor}") as revoked:
        assert '"queued"' in revoked.next()["data"]
        server.service.keys.revoke("visitor")
        server.client.post("/api/queue/resume")
        assert revoked.data() == []
    assert server.finish(job_id)["status"] == "completed"


def test_a_socket_is_closed(server: LiveServer, visitor: str) -> None:
    address = f"ws://127.0.0.1:{server.port}/ws/generation"
    with (
        connect(f"{address}?key={visitor}") as revoked,
        connect(f"{address}?key={owner(server)}") as other,
    ):
        server.service.keys.revoke("visitor")
        made = server.made("for the owner's eyes")
        with pytest.raises(ConnectionClosed):
            revoked.recv(PATIENCE)
        assert made["job_id"] in other.recv(PATIENCE)


def owner(server: LiveServer) -> str:
    """The key of the server's own client."""
    return server.client.headers["x-key"]
