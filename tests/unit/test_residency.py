"""What clients are told of a model, from what the worker, the downloads and the disk say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from server.catalog import ModelCatalog
from server.config import Settings
from server.errors import ModelLoadFailed
from server.model_files import ModelFiles
from server.plugins.manager import discover
from server.plugins.types import ModelCard
from server.residency import Residency
from server.snapshots import ModelState
from server.source_errors import GatedSource
from tests.support import PLUGINS


@dataclass
class Disk:
    """How many bytes of weights are there, None for none."""

    size: int | None

    def __call__(self, card: ModelCard) -> int:
        if self.size is None:
            raise ModelLoadFailed("not on this machine")
        return self.size


@pytest.fixture
def disk() -> Disk:
    return Disk(1000)


@pytest.fixture
def residency(disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Residency:
    catalog = ModelCatalog(discover(PLUGINS), ModelFiles(Settings(data=tmp_path)))
    monkeypatch.setattr(catalog, "disk_bytes", disk)
    return Residency(catalog)


def told(residency: Residency) -> tuple[str, str | None, int, int]:
    """State, error, and the bytes on the disk and in memory."""
    status = residency.status("colours")
    return status.state, status.error, status.disk_bytes, status.resident_bytes


def test_what_the_worker_says_counts_most(residency: Residency) -> None:
    assert told(residency) == ("on_disk", None, 1000, 0)
    residency.note(ModelState("colours", "loading"))
    assert told(residency) == ("loading", None, 1000, 0)
    residency.note(ModelState("colours", "loaded", bytes=2000))
    assert told(residency) == ("loaded", None, 1000, 2000)
    assert residency.is_loaded(residency._catalog.find("colours")[1])
    residency.note(ModelState("colours", "in_ram", bytes=2000))
    assert told(residency) == ("in_ram", None, 1000, 2000)
    assert not residency.is_loaded(residency._catalog.find("colours")[1])
    residency.note(ModelState("colours", "unloaded"))
    assert told(residency) == ("on_disk", None, 1000, 0)


def test_the_models_in_memory_are_those_that_workers_still_have(residency: Residency) -> None:
    assert residency.in_memory() == []
    parked, loaded = ModelState("z", "in_ram", bytes=5), ModelState("a", "loaded", bytes=7)
    for message in (parked, loaded, ModelState("b", "loading"), ModelState("c", "failed", "no")):
        residency.note(message)
    assert residency.in_memory() == [loaded, parked]
    residency.note(ModelState("a", "unloaded"))
    assert residency.in_memory() == [parked]


def test_why_a_model_could_not_be_loaded_is_told_until_it_is(residency: Residency) -> None:
    residency.note(ModelState("colours", "failed", "does not fit"))
    assert told(residency) == ("failed", "does not fit", 1000, 0)
    residency.note(ModelState("colours", "loading"))
    assert told(residency)[:2] == ("loading", None)


def test_why_a_model_could_not_be_downloaded_is_told_until_it_is(
    residency: Residency, disk: Disk
) -> None:
    disk.size = None
    assert told(residency) == ("missing", "not on this machine", 0, 0)
    residency.fetched("colours", GatedSource("accept its licence"))
    assert told(residency) == ("failed", "accept its licence", 0, 0)
    residency.downloading = {"colours"}.__contains__
    assert told(residency)[:2] == ("downloading", None)
    residency.downloading = set[str]().__contains__
    residency.fetched("colours", None)
    assert told(residency)[:2] == ("missing", "not on this machine")
    residency.fetched("colours", GatedSource("accept its licence"))
    disk.size = 1000
    assert told(residency) == ("on_disk", None, 1000, 0), "it came here another way"
