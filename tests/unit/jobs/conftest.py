"""A store and a gallery on a database of their own, and a queue on both."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.database import Database
from server.gallery import Gallery
from server.inputs import InputImages
from server.jobs.store import JobStore
from server.storage import ImageFiles
from tests.unit.jobs.scripted import Bench


@pytest.fixture
def store(database: Database) -> JobStore:
    return JobStore(database)


@pytest.fixture
def files(tmp_path: Path) -> ImageFiles:
    for name in ("images", "thumbs"):
        (tmp_path / name).mkdir()
    return ImageFiles(tmp_path / "images", tmp_path / "thumbs")


@pytest.fixture
def gallery(database: Database, files: ImageFiles) -> Gallery:
    return Gallery(database, files)


@pytest.fixture
def inputs(database: Database, tmp_path: Path) -> InputImages:
    (tmp_path / "inputs").mkdir()
    return InputImages(database, tmp_path / "inputs", max_pixels=10_000)


@pytest.fixture
def bench(store: JobStore, gallery: Gallery, inputs: InputImages) -> Bench:
    return Bench(store, gallery, inputs)
