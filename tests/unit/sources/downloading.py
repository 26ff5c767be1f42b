"""What the tests of downloads share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from server.source_errors import (
    SourceUnreachable,
)
from server.sources.client import RETRIES
from server.sources.download import fetch
from server.sources.kinds import Url
from server.sources.manifest import Manifest, RemoteFile
from server.sources.marker import markers
from tests.fake_sources import FakeSources, answer, sha256, weights

DATA = weights(2_000_000)
PATH = "/blobs/x.safetensors"


def manifest_of(fake: FakeSources, data: bytes = DATA, **words: Any) -> Manifest:
    """One file of the file host."""
    fake.blobs.setdefault("x.safetensors", data)
    url = fake.files_url + PATH
    told = {"size": len(data), "sha256": sha256(data), **words}
    return Manifest(Url(url), "r", (RemoteFile("x.safetensors", url, **told),), "x.safetensors")


def is_complete(folder: Path) -> bool:
    return any(marker.holds(folder) for marker in markers(folder))


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*.part"))


async def cut_off(fake: FakeSources, manifest: Manifest, folder: Path, after: int) -> None:
    """A process that ends amid the download, by a client that then loses its network."""
    fake.fail(PATH, fake.cut(DATA, after), *[answer(503)] * (RETRIES + 1))
    async with fake.client() as client:
        with pytest.raises(SourceUnreachable):
            await fetch(manifest, folder, client)
    fake.faults.clear()
    fake.seen.clear()
