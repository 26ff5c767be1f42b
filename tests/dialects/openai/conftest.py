"""A server that speaks this API, on its main port and on one of its own.

One for all modules: none leaves anything that another one minds.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.serving import LiveServer, live_server
from tests.support import PLUGINS

#: A model whose steps take a while.
SLOW: dict[str, Any] = {
    "id": "slow",
    "family": "collage",
    "source": str(PLUGINS),
    "defaults": {"delay": 0.03, "steps": 12},
}

ALIASES = {"gpt-image-1": "collage", "dall-e-3": "colours"}


@pytest.fixture(scope="session")
def plugin_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two families without a model; one folder, since modules are imported once."""
    folder = tmp_path_factory.mktemp("plugins")
    (folder / "colours.py").symlink_to(PLUGINS / "colours.py")
    (folder / "collage.py").symlink_to(PLUGINS.parent / "plugins_collage" / "collage.py")
    return folder


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, plugin_folder: Path) -> Iterator[LiveServer]:
    with live_server(
        tmp_path_factory.mktemp("data"),
        plugin_folder=plugin_folder,
        models=[SLOW],
        listen=[{"dialect": "openai", "port": 0}],
        dialects={"openai": {"aliases": ALIASES, "model": "collage"}},
        preview_interval=0,
        max_image_pixels=100_000,
    ) as running:
        yield running


@pytest.fixture(scope="session")
def own(server: LiveServer) -> Iterator[httpx.Client]:
    """A client of the API's own port."""
    with httpx.Client(base_url=server.url_of("openai"), timeout=30) as client:
        yield client


@pytest.fixture(params=["main", "own"])
def client(request: pytest.FixtureRequest, server: LiveServer, own: httpx.Client) -> httpx.Client:
    """A client of each of the two ports."""
    return server.client if request.param == "main" else own
