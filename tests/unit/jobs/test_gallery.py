"""The gallery: files and rows come and go together."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import insert, select

from server.database import Database, trash
from server.errors import DatabaseUnavailable, ImageNotFound, InvalidParameters, StorageFailed
from server.gallery import Filters, Gallery
from server.jobs.store import JobStore
from server.records import JobStatus, Origin, image_object
from server.storage import ImageFiles
from tests.unit.jobs.builders import PNG, WEBP, add_image, new_image, new_job


def files_below(folder: Path) -> list[str]:
    names = ("images", "thumbs")
    found = (path for name in names for path in (folder / name).iterdir())
    return sorted(f"{path.parent.name}/{path.name}" for path in found)


def test_an_added_image_has_its_files_and_marks_its_job(store: JobStore, gallery: Gallery) -> None:
    job = store.begin(store.create(new_job()).id)
    row_id = gallery.add(new_image(job, 1), job.attempt, PNG, WEBP)
    assert row_id == 1
    assert gallery.image_path(f"{job.id}_1.png").read_bytes() == PNG
    assert gallery.thumb_path(f"{job.id}_1.png").read_bytes() == WEBP
    assert store.get(job.id).missing == (0,)


def test_an_image_resets_the_count_of_restarts(store: JobStore, gallery: Gallery) -> None:
    job = store.create(new_job())
    store.begin(job.id)
    store.start(job.id)
    store.recover()
    job = store.begin(job.id)
    assert job.restarts == 1
    gallery.add(new_image(job), job.attempt, PNG, WEBP)
    assert store.get(job.id).restarts == 0


def test_a_late_writer_changes_nothing(store: JobStore, gallery: Gallery, tmp_path: Path) -> None:
    job = store.begin(store.create(new_job()).id)
    store.requeue(job.id, seq=1, lost=True)
    assert gallery.add(new_image(job), job.attempt, PNG, WEBP) is None
    store.begin(job.id)
    assert gallery.add(new_image(job), job.attempt, PNG, WEBP) is None
    assert files_below(tmp_path) == []


def test_no_image_twice(store: JobStore, gallery: Gallery) -> None:
    job = store.begin(store.create(new_job()).id)
    assert gallery.add(new_image(job), job.attempt, PNG, WEBP) is not None
    assert gallery.add(new_image(job), job.attempt, b"other", WEBP) is None
    assert gallery.page(Filters(), limit=10).total == 1


def test_a_failed_write_leaves_nothing(store: JobStore, gallery: Gallery, tmp_path: Path) -> None:
    job = store.begin(store.create(new_job()).id)
    (tmp_path / "thumbs").rmdir()
    (tmp_path / "thumbs").write_text("no folder")
    with pytest.raises(StorageFailed, match="could not be written"):
        gallery.add(new_image(job), job.attempt, PNG, WEBP)
    assert list((tmp_path / "images").iterdir()) == []
    assert gallery.page(Filters(), limit=10).images == []


def test_a_row_that_cannot_be_written_leaves_no_files(
    store: JobStore, gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = store.begin(store.create(new_job()).id)

    def full(*_: object) -> None:
        raise DatabaseUnavailable("the disk is full")

    monkeypatch.setattr(gallery, "_add_row", full)
    with pytest.raises(DatabaseUnavailable):
        gallery.add(new_image(job), job.attempt, PNG, WEBP)
    assert files_below(tmp_path) == []


def test_a_file_that_cannot_be_removed_waits_in_the_trash(
    store: JobStore, gallery: Gallery, database: Database, tmp_path: Path
) -> None:
    record = add_image(store, gallery)
    held = tmp_path / "images" / record.filename
    held.unlink()
    held.mkdir()  # stands for a file that somebody reads on Windows
    gallery.delete(record.filename)
    assert gallery.page(Filters(), limit=1).total == 0
    gallery.sweep()
    held.rmdir()
    with database.reading() as connection:
        assert connection.execute(select(trash.c.filename)).scalars().all() == [record.filename]
    gallery.sweep()
    with database.reading() as connection:
        assert connection.execute(select(trash)).all() == []


def test_deleting_removes_row_file_and_thumbnail_but_not_the_job(
    store: JobStore, gallery: Gallery, tmp_path: Path
) -> None:
    record = add_image(store, gallery)
    gallery.delete(record.filename)
    assert files_below(tmp_path) == []
    assert store.get(record.job_id).status is JobStatus.COMPLETED
    with pytest.raises(ImageNotFound):
        gallery.delete(record.filename)
    with pytest.raises(ImageNotFound):
        gallery.image_path(record.filename)


def test_a_deleted_image_is_not_made_again_by_a_retry(store: JobStore, gallery: Gallery) -> None:
    job = store.begin(store.create(new_job()).id)
    gallery.add(new_image(job, 0), job.attempt, PNG, WEBP)
    gallery.delete(f"{job.id}_0.png")
    assert store.get(job.id).missing == (1,)


def test_names_are_looked_up_never_joined(gallery: Gallery, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"secret")
    for name in ("../secret.png", str(tmp_path / "secret.png"), "", ".", "a\0b"):
        with pytest.raises(ImageNotFound):
            gallery.image_path(name)


def test_pages_by_cursor_and_by_offset_agree(store: JobStore, gallery: Gallery) -> None:
    names = [add_image(store, gallery).filename for _ in range(5)][::-1]
    first = gallery.page(Filters(), limit=2)
    second = gallery.page(Filters(), limit=2, cursor=first.next_cursor)
    assert [image.filename for image in (*first.images, *second.images)] == names[:4]
    assert gallery.page(Filters(), limit=2, offset=2).images == second.images
    last = gallery.page(Filters(), limit=2, cursor=second.next_cursor)
    assert last.next_cursor is None and last.total == 5
    with pytest.raises(InvalidParameters, match="cursor"):
        gallery.page(Filters(), limit=2, cursor="-1 OR 1")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("red", ["a big red house", "red star"]),
        ("RED hou", ["a big red house"]),
        ("star red", ["red star"]),
        ("café", ["café “noir”"]),
        ("noir", ["café “noir”"]),
        ('"', []),
        ("red AND NOT star", []),
        ("pro:mpt*", []),
        ("日本", ["日本の海"]),
    ],
)
def test_search_finds_images_with_every_word(
    store: JobStore, gallery: Gallery, query: str, found: list[str]
) -> None:
    for prompt in ("a big red house", "red star", "café “noir”", "日本の海"):
        add_image(store, gallery, prompt)
    page = gallery.page(Filters(query=query), limit=10)
    assert sorted(image.recipe["prompt"] for image in page.images) == sorted(found)
    assert page.total == len(found)


def test_search_forgets_deleted_images(store: JobStore, gallery: Gallery) -> None:
    record = add_image(store, gallery, "a unicorn")
    assert gallery.page(Filters(query="unicorn"), limit=10).total == 1
    gallery.delete(record.filename)
    assert gallery.page(Filters(query="unicorn"), limit=10).total == 0


def test_filters_by_model_and_by_lora(store: JobStore, gallery: Gallery) -> None:
    add_image(store, gallery)
    other = add_image(store, gallery, model="other")
    page = gallery.page(Filters(models=("other",)), limit=10)
    assert [image.filename for image in page.images] == [other.filename]
    assert gallery.page(Filters(loras=("civitai_1",)), limit=10).total == 0


def test_none_of_no_ids_is_no_image_and_not_all(store: JobStore, gallery: Gallery) -> None:
    add_image(store, gallery)
    for filters in (Filters(loras=()), Filters(models=())):
        assert gallery.page(filters, limit=10).total == 0
    assert gallery.page(Filters(models=None, loras=None), limit=10).total == 1


def test_what_came_after_a_row_comes_oldest_first(store: JobStore, gallery: Gallery) -> None:
    assert gallery.newest_id() == 0
    ids = [add_image(store, gallery).id for _ in range(4)]
    assert [image.id for image in gallery.after(ids[0], 2)] == ids[1:3]
    assert gallery.newest_id() == ids[-1]


def test_a_deleted_newest_image_does_not_give_its_id_away(
    store: JobStore, gallery: Gallery
) -> None:
    record = add_image(store, gallery)
    gallery.delete(record.filename)
    assert gallery.newest_id() == record.id
    assert add_image(store, gallery).id == record.id + 1


def test_pruning_keeps_the_newest(store: JobStore, gallery: Gallery, tmp_path: Path) -> None:
    names = [add_image(store, gallery).filename for _ in range(4)]
    gallery.prune(1)
    assert files_below(tmp_path) == [f"images/{names[-1]}", f"thumbs/{names[-1]}"]
    assert gallery.page(Filters(), limit=10).total == 1


def test_the_sweep_removes_what_a_crash_left_and_nothing_else(
    store: JobStore, gallery: Gallery, files: ImageFiles, database: Database, tmp_path: Path
) -> None:
    kept = add_image(store, gallery)
    running = store.begin(store.create(new_job()).id)
    gallery.add(new_image(running, 0), running.attempt, PNG, WEBP)
    files.write(f"{running.id}_1.png", PNG, WEBP)  # written, and then the server died
    (tmp_path / "images" / ".half.png.part").write_bytes(b"ha")
    files.write("trashed.png", PNG, WEBP)
    with database.writing() as connection:
        connection.execute(insert(trash).values(filename="trashed.png"))
    (tmp_path / "images" / "holiday.png").write_bytes(b"the user's own")
    store.recover()
    gallery.sweep()
    assert files_below(tmp_path) == sorted(
        [
            *(f"{folder}/{kept.filename}" for folder in ("images", "thumbs")),
            *(f"{folder}/{running.id}_0.png" for folder in ("images", "thumbs")),
            "images/holiday.png",
        ]
    )


def test_the_expected_pace_is_the_median_of_the_newest(store: JobStore, gallery: Gallery) -> None:
    assert gallery.seconds_per_work("colours") is None
    add_image(store, gallery)
    assert gallery.seconds_per_work("colours") == pytest.approx(0.5 / (4 * 64 * 32))


def test_the_object_of_an_image_has_its_urls_and_its_recipe(
    store: JobStore, gallery: Gallery
) -> None:
    record = add_image(store, gallery)
    shown = image_object(gallery.page(Filters(), limit=1).images[0])
    assert shown["url"] == f"/api/images/{record.filename}"
    assert shown["thumb_url"] == f"/api/thumbs/{record.filename}"
    assert (shown["prompt"], shown["seed"], shown["index"]) == ("a red field", 7, 0)
    assert shown["created_at"].endswith("Z") and shown["id"] == record.id


@pytest.mark.parametrize(
    ("query", "model", "found"),
    [
        ("their-name", None, ["a red house"]),
        ("THEIR red", None, ["a red house"]),
        ("their blue", None, []),
        ("house", None, ["a blue house", "a red house"]),
        ("colours", None, ["a blue house"]),
        ("-", None, ["a red house"]),
        ("%", None, []),
        (None, "their-name", ["a red house"]),
        (None, "colours", ["a blue house"]),
        ("red", "colours", []),
    ],
)
def test_an_api_finds_models_by_the_names_of_its_clients(
    store: JobStore, gallery: Gallery, query: str | None, model: str | None, found: list[str]
) -> None:
    theirs = store.create(new_job(origin=Origin("other", model="their-name")))
    gallery.add(new_image(theirs, prompt="a red house"), store.begin(theirs.id).attempt, PNG, WEBP)
    add_image(store, gallery, "a blue house")
    models = None if model is None else (model,)
    page = gallery.page(Filters(query, models, dialect="other"), limit=10)
    assert sorted(image.recipe["prompt"] for image in page.images) == found
    assert page.total == len(found)
