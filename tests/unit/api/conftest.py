"""A server for each module of these tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.serving import LiveServer, live_server


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
    server.client.post("/api/queue/pause")
    yield server
    server.client.post("/api/queue/resume")
