"""One server for the tests of this API; those that need another one say so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.serving import LiveServer, live_server

GREEN = (10, 200, 30)


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data folder `data`, and two with a green image: `allowed` and `other`."""
    root = tmp_path_factory.mktemp("desktop")
    for name in ("allowed", "other"):
        (root / name).mkdir()
        Image.new("RGB", (96, 64), GREEN).save(root / name / "green.png")
    return root


@pytest.fixture(scope="session")
def server(root: Path) -> Iterator[LiveServer]:
    """A server with little room: tests leave its settings and its queue as they found them."""
    settings = {"max_body_bytes": 200_000, "max_streams": 2}
    listen = [{"dialect": "desktop", "port": 0}]
    with live_server(
        root / "data", listen=listen, allowed_folders=(root / "allowed",), **settings
    ) as running:
        yield running
