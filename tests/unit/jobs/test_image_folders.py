"""Images in folders of their own: as safe as those in the folder of all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from server.database import Database, trash
from server.errors import ImageNotFound, StorageFailed
from server.gallery import Gallery
from server.jobs.store import JobStore
from server.records import ImageRecord, Job, JobStatus
from server.storage import ImageFiles
from tests.unit.jobs.builders import PNG, WEBP, add_image, new_image, new_job


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder beside the one of all images."""
    folder = tmp_path / "holidays" / "2026"
    folder.mkdir(parents=True)
    return folder


def begun(store: JobStore, folder: str) -> Job:
    return store.begin(store.create(new_job(folder=folder)).id)


def added(store: JobStore, gallery: Gallery, folder: str) -> ImageRecord:
    """An image of a job with this folder."""
    job = begun(store, folder)
    record = replace(new_image(job), folder=folder)
    assert gallery.add(record, job.attempt, PNG, WEBP) is not None
    store.finish(job.id, JobStatus.COMPLETED, seq=2)
    return record


def files_below(folder: Path) -> set[str]:
    found = (path for path in folder.rglob("*") if path.is_file() and ".db" not in path.name)
    return {str(path.relative_to(folder)) for path in found}


def test_a_job_keeps_its_folder(store: JobStore) -> None:
    assert store.get(store.create(new_job(folder="holidays")).id).folder == "holidays"
    assert store.get(store.create(new_job()).id).folder is None


def test_an_image_lies_in_its_folder_and_its_thumbnail_with_the_others(
    store: JobStore, gallery: Gallery, tmp_path: Path, elsewhere: Path
) -> None:
    record = added(store, gallery, "holidays/2026")
    assert gallery.named(record.filename).folder == "holidays/2026"
    assert gallery.image_path(record.filename) == elsewhere / record.filename
    assert gallery.image_path(record.filename).read_bytes() == PNG
    assert files_below(tmp_path) == {
        f"holidays/2026/{record.filename}",
        f"thumbs/{record.filename}",
    }


def test_a_folder_may_be_anywhere(store: JobStore, gallery: Gallery, elsewhere: Path) -> None:
    record = added(store, gallery, str(elsewhere))
    assert gallery.image_path(record.filename) == elsewhere / record.filename
    gallery.delete(record.filename)
    assert list(elsewhere.iterdir()) == []


def test_the_whole_may_be_moved(
    store: JobStore, gallery: Gallery, database: Database, tmp_path: Path, elsewhere: Path
) -> None:
    record = added(store, gallery, "holidays/2026")
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("images", "thumbs", "holidays"):
        (tmp_path / name).rename(moved / name)
    there = Gallery(database, ImageFiles(moved / "images", moved / "thumbs"))
    assert there.image_path(record.filename).read_bytes() == PNG


def test_deleting_removes_the_file_from_its_folder(
    store: JobStore, gallery: Gallery, tmp_path: Path, elsewhere: Path
) -> None:
    kept = add_image(store, gallery)
    record = added(store, gallery, "holidays/2026")
    gallery.delete(record.filename)
    assert files_below(tmp_path) == {f"images/{kept.filename}", f"thumbs/{kept.filename}"}
    with pytest.raises(ImageNotFound):
        gallery.image_path(record.filename)
    added(store, gallery, "holidays/2026")
    gallery.prune(0)
    assert files_below(tmp_path) == set()


def test_the_trash_knows_the_folder(
    store: JobStore, gallery: Gallery, database: Database, elsewhere: Path
) -> None:
    record = added(store, gallery, "holidays/2026")
    held = elsewhere / record.filename
    held.unlink()
    held.mkdir()  # stands for a file that somebody reads on Windows
    gallery.delete(record.filename)
    with database.reading() as connection:
        rows = connection.execute(select(trash.c.filename, trash.c.folder)).all()
    assert [tuple(row) for row in rows] == [(record.filename, "holidays/2026")]
    held.rmdir()
    held.write_bytes(PNG)
    gallery.sweep()
    assert list(elsewhere.iterdir()) == []
    with database.reading() as connection:
        assert connection.execute(select(trash)).all() == []


def test_what_a_crash_left_in_a_folder_is_swept(
    store: JobStore, gallery: Gallery, files: ImageFiles, elsewhere: Path
) -> None:
    kept = added(store, gallery, "holidays/2026")
    job = begun(store, "holidays/2026")
    files.write(f"{job.id}_1.png", PNG, WEBP, "holidays/2026")  # and then the server died
    (elsewhere / f".{job.id}_0.png.12ab.part").write_bytes(b"ha")
    (elsewhere / "beach.png").write_bytes(b"the user's own")
    gallery.sweep()
    assert files_below(elsewhere) == {kept.filename, "beach.png"}


def test_a_folder_that_is_gone_is_not_made_again(
    store: JobStore, gallery: Gallery, tmp_path: Path
) -> None:
    job = begun(store, "unplugged")
    with pytest.raises(StorageFailed, match="unplugged"):
        gallery.add(replace(new_image(job), folder="unplugged"), job.attempt, PNG, WEBP)
    gallery.sweep()
    assert files_below(tmp_path) == set()
    assert not (tmp_path / "unplugged").exists()


def test_images_of_a_job_are_in_the_jobs_folder_only(
    store: JobStore, gallery: Gallery, elsewhere: Path
) -> None:
    first, second = add_image(store, gallery), added(store, gallery, "holidays/2026")
    assert gallery.path_of(first).parent.name == "images"
    assert gallery.path_of(second).parent == elsewhere
