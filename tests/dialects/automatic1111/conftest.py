"""One real server for all tests, with the instant family and the dialect on a port of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.serving import LiveServer, live_server
from tests.support import PLUGINS

#: How requests of these tests call the model that takes its time: 0.05 seconds a step.
SLOW = "slow"


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    # A small folder: the sizes of sources are told by walking through them.
    slow = {"id": SLOW, "family": "colours", "source": str(PLUGINS), "defaults": {"delay": 0.05}}
    with live_server(
        tmp_path_factory.mktemp("server") / "data",
        models=[slow],
        dialects={"automatic1111": {"aliases": {"anything-v5": "colours-four-step"}}},
        listen=[{"dialect": "automatic1111", "port": 0}],
    ) as running:
        yield running


@pytest.fixture(scope="package")
def own(server: LiveServer) -> Iterator[httpx.Client]:
    """A client of the dialect's own port."""
    with httpx.Client(base_url=server.url_of("automatic1111"), timeout=30) as client:
        yield client


@pytest.fixture(scope="package", params=["main port", "own port"])
def api(request: pytest.FixtureRequest, server: LiveServer, own: httpx.Client) -> httpx.Client:
    """Each address in turn."""
    return server.client if request.param == "main port" else own


@pytest.fixture
def key(server: LiveServer) -> Iterator[Callable[..., str]]:
    """Makes keys; the server is open again after the test."""
    yield server.service.keys.add
    server.service.keys.reset()
