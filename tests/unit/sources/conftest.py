"""What every test about sources needs: the fake sites, a client for them, a store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from server.sources.client import SourceClient
from server.sources.store import ModelStore
from tests.fake_sources import FakeSources


@pytest.fixture
def fake() -> Iterator[FakeSources]:
    with FakeSources() as sources:
        yield sources


@pytest.fixture
async def client(fake: FakeSources) -> AsyncIterator[SourceClient]:
    async with fake.client() as opened:
        yield opened


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models", tmp_path / "hub-cache")
