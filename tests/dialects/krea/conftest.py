"""A real server with the instant family, and its dialect on a port of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.dialects.krea.asking import Address, on_main_port
from tests.serving import LiveServer, live_server
from tests.support import PLUGINS

#: A model whose images of 20 steps take half a second.
SLOW = {"id": "slow", "family": "colours", "source": str(PLUGINS), "defaults": {"delay": 0.025}}


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(
        tmp_path_factory.mktemp("krea"),
        models=[SLOW],
        dialects={"krea": {"rate_limit": False}},
        listen=[{"dialect": "krea", "port": 0}],
    ) as running:
        yield running


@pytest.fixture
def main(server: LiveServer) -> Address:
    """The address on the main port, for what cannot depend on the address."""
    return on_main_port(server)


@pytest.fixture(params=["main port", "own port"])
def api(request: pytest.FixtureRequest, main: Address, server: LiveServer) -> Address:
    """Each address in turn."""
    return main if request.param == "main port" else Address(server.url_of("krea"), server.client)


@pytest.fixture
def slowly(server: LiveServer) -> Iterator[LiveServer]:
    """The server while its current model takes its time."""
    assert server.client.post("/api/models/slow/load").status_code == 202
    yield server
    assert server.client.post("/api/models/colours/load").status_code == 202
