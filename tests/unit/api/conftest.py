"""A server for each module of these tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.serving import LiveServer, live_server, until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture(scope="module")
def made(server: LiveServer) -> dict[str, Any]:
    """A finished job of two images."""
    return server.made("red house", num_images=2, seed=7, width=96)


@pytest.fixture
def paused(server: LiveServer) -> Iterator[LiveServer]:
    """The server with an empty queue that does not move: no job of another test is left in it."""
    until(lambda: _is_idle(server.client.get("/api/queue").json()))
    server.client.post("/api/queue/pause")
    yield server
    server.client.post("/api/queue/resume")


def _is_idle(queue: dict[str, Any]) -> bool:
    return (queue["pending"], queue["running"]) == (0, 0)
