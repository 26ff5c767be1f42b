"""The gallery: finished images, their rows and their files."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    select,
    text,
    update,
)

from server.client_names import of_image
from server.database import Database, images, jobs, row_of, trash
from server.errors import DatabaseUnavailable, ImageNotFound
from server.records import ImageRecord, JobStatus, image_filename
from server.storage import ImageFiles

#: Words of a search; everything else separates them.
WORD = re.compile(r"\w+")

#: How many images of a model the expected duration of a job is learned from.
HISTORY = 20


@dataclass(frozen=True, slots=True)
class ImagePage:
    """Images, newest first. `total` counts all that match; `next_cursor` is None at the end."""

    images: list[ImageRecord]
    total: int
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Filters:
    """Which images a page shows: `query` words all in the prompt or the model, `models` ids
    of which the image has one, `loras` ids of which the recipe has one, `prompt` words all in the
    prompt; with `firsts` of each job only the first image. None does not filter; no ids at all are
    no image's. With `dialect`, `query` and `models` mean models as the clients of that API name
    them."""

    query: str | None = None
    models: tuple[str, ...] | None = None
    loras: tuple[str, ...] | None = None
    prompt: str | None = None
    firsts: bool = False
    dialect: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """The filters as SQL."""
        named = images.c.model if self.dialect is None else of_image(self.dialect)
        found: list[ColumnElement[bool]] = []
        if self.query and self.dialect is None:
            found.append(images.c.id.in_(_search(self.query)))
        elif self.query:
            found += [_says(word, named) for word in self.query.split()]
        if self.models is not None:
            found.append(named.in_(self.models))
        if self.loras is not None:
            found.append(_uses_lora(self.loras))
        if self.prompt:
            found.append(images.c.id.in_(_search(self.prompt, "prompt")))
        if self.firsts:
            found.append(images.c.index == 0)
        return found


class Gallery:
    """Add, page, search and delete images. Every method blocks; call it off the event loop."""

    def __init__(self, database: Database, files: ImageFiles) -> None:
        self._database = database
        self._files = files

    def add(self, record: ImageRecord, attempt: int, png: bytes, thumbnail: bytes) -> int | None:
        """Store an image of a running attempt: file, thumbnail, then the row.

        Returns the row's id, or None when this attempt is no longer the job's: a late writer
        changes nothing.

        Raises:
            StorageFailed: a file could not be written.
            DatabaseUnavailable: the row could not be; no file is left behind.
        """
        if not self._is_current(record.job_id, attempt):
            return None
        # The file precedes the row: a crash in between leaves an orphan file, which start-up
        # sweeps, and never a row that points nowhere.
        self._files.write(record.filename, png, thumbnail, record.folder)
        try:
            return self._add_row(record, attempt)
        except DatabaseUnavailable:
            self._files.remove(record.filename, record.folder)
            raise

    def _add_row(self, record: ImageRecord, attempt: int) -> int | None:
        with self._database.writing() as connection:
            done = _images_done(connection, record.job_id, attempt)
            if done is None or record.index in done:
                return None
            connection.execute(
                update(jobs)
                .where(jobs.c.id == record.job_id)
                .values(images_done=sorted({*done, record.index}), restarts=0)
            )
            query = insert(images).values(**_values(record)).returning(images.c.id)
            return int(connection.execute(query).scalar_one())

    def page(
        self, filters: Filters, *, limit: int, offset: int = 0, cursor: str | None = None
    ) -> ImagePage:
        """Images newest first, after `cursor` (a page's `next_cursor`) or from `offset`."""
        conditions = filters.conditions()
        query = select(images).where(*conditions).order_by(images.c.id.desc())
        query = query.limit(limit + 1).offset(offset)
        if cursor is not None:
            query = query.where(images.c.id < row_of(cursor))
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
            total = connection.execute(
                select(func.count()).select_from(images).where(*conditions)
            ).scalar_one()
        found = [_record(row) for row in rows[:limit]]
        more = len(rows) > limit
        return ImagePage(found, total, str(found[-1].id) if more else None)

    def after(self, row_id: int, limit: int) -> list[ImageRecord]:
        """Images added after row `row_id`, oldest first."""
        return self._records(
            select(images).where(images.c.id > row_id).order_by(images.c.id).limit(limit)
        )

    def newest_id(self) -> int:
        """The row id of the newest image ever added, 0 when there was none."""
        with self._database.reading() as connection:
            query = text("SELECT seq FROM sqlite_sequence WHERE name = 'images'")
            return int(connection.execute(query).scalar() or 0)

    def of_jobs(self, job_ids: Iterable[str]) -> dict[str, list[ImageRecord]]:
        """The images of each of these jobs, in order."""
        found: dict[str, list[ImageRecord]] = defaultdict(list)
        query = select(images).where(images.c.job_id.in_(list(job_ids)))
        for record in self._records(query.order_by(images.c.job_id, images.c.index)):
            found[record.job_id].append(record)
        return found

    def named(self, filename: str) -> ImageRecord:
        """The image with this file name.

        Raises:
            ImageNotFound
        """
        return self._one(images.c.filename == filename, filename)

    def numbered(self, number: int) -> ImageRecord:
        """The image with this row id.

        Raises:
            ImageNotFound
        """
        return self._one(images.c.id == number, str(number))

    def image_path(self, filename: str) -> Path:
        """Where the PNG of a known image lies.

        Raises:
            ImageNotFound: no row has this name, or the file is gone.
        """
        return _present(self.path_of(self.named(filename)))

    def thumb_path(self, filename: str) -> Path:
        """Where the thumbnail (WebP) of a known image lies.

        Raises:
            ImageNotFound: no row has this name, or the file is gone.
        """
        return _present(self._files.thumb(self.named(filename).filename))

    def path_of(self, record: ImageRecord) -> Path:
        """Where the PNG of an image lies, without a look at the database."""
        return self._files.image(record.filename, record.folder)

    def delete(self, filename: str) -> None:
        """Delete row, image and thumbnail.

        Raises:
            ImageNotFound: no row has this name.
        """
        if not self._delete(images.c.filename == filename):
            raise _unknown(filename)

    def prune(self, keep: int) -> None:
        """Delete all but the newest `keep` images."""
        newest = select(images.c.id).order_by(images.c.id.desc()).limit(keep)
        self._delete(images.c.id.not_in(newest))

    def sweep(self) -> None:
        """Remove what a crash left behind: temporary files, files of deleted rows, and files of
        unfinished images. Run before any job does.

        Other files without a row stay: after the loss of a database they are all the user has.
        """
        self._empty_trash()
        open_jobs = select(jobs.c.id, jobs.c.params, jobs.c.images_done, jobs.c.folder).where(
            jobs.c.status.in_([JobStatus.QUEUED, JobStatus.PROCESSING])
        )
        with self._database.reading() as connection:
            rows = connection.execute(open_jobs).all()
        # A crash ends no job: whoever was writing then is among these.
        self._files.remove_partial({row.folder for row in rows if row.folder is not None})
        for row in rows:
            missing = set(range(row.params.get("num_images", 0))) - set(row.images_done)
            for index in missing:
                self._files.remove(image_filename(row.id, index), row.folder)

    def seconds_per_work(self, model: str) -> float | None:
        """The median over the model's newest images of seconds per step and pixel; None without
        history."""
        newest = select(images).where(images.c.model == model)
        records = self._records(newest.order_by(images.c.id.desc()).limit(HISTORY))
        rates = sorted(
            record.seconds / (record.recipe.get("steps", 1) * record.width * record.height)
            for record in records
        )
        return rates[len(rates) // 2] if rates else None

    def _one(self, condition: ColumnElement[bool], name: str) -> ImageRecord:
        found = self._records(select(images).where(condition))
        if not found:
            raise _unknown(name)
        return found[0]

    def _records(self, query: Select[Any]) -> list[ImageRecord]:
        with self._database.reading() as connection:
            return [_record(row) for row in connection.execute(query)]

    def _is_current(self, job_id: str, attempt: int) -> bool:
        with self._database.reading() as connection:
            return _images_done(connection, job_id, attempt) is not None

    def _delete(self, condition: ColumnElement[bool]) -> int:
        """Delete rows, then their files; the trash remembers the files should we die between."""
        with self._database.writing() as connection:
            files = select(images.c.filename, images.c.folder).where(condition)
            rows = [row._asdict() for row in connection.execute(files)]
            if rows:
                connection.execute(insert(trash).prefix_with("OR IGNORE"), rows)
                connection.execute(delete(images).where(condition))
        if rows:
            self._empty_trash()
        return len(rows)

    def _empty_trash(self) -> None:
        with self._database.reading() as connection:
            rows = connection.execute(select(trash)).all()
        if not rows:
            return
        # What cannot be removed now (somebody reads it, on Windows) waits for the next time.
        gone = [
            {"name": row.filename} for row in rows if self._files.remove(row.filename, row.folder)
        ]
        if not gone:
            return
        with self._database.writing() as connection:
            connection.execute(delete(trash).where(trash.c.filename == bindparam("name")), gone)


def _images_done(connection: Connection, job_id: str, attempt: int) -> list[int] | None:
    """The finished indices of a job, None unless `attempt` is what runs."""
    row = connection.execute(
        select(jobs.c.images_done).where(
            jobs.c.id == job_id,
            jobs.c.attempt == attempt,
            jobs.c.status == JobStatus.PROCESSING,
        )
    ).first()
    return None if row is None else list(row.images_done)


def _search(query: str, column: str | None = None) -> Select[Any]:
    """Row ids of the images with every word of `query`, each matched as a beginning, in one column
    of the index or in any."""
    words = WORD.findall(query)
    if not words:
        # Nothing but punctuation: it matches nothing, and is no syntax error either.
        return select(images.c.id).where(text("0"))
    match = " ".join(f'"{word}"*' for word in words)
    if column is not None:
        match = f"{{{column}}} : ({match})"
    return (
        select(literal_column("rowid"))
        .select_from(text("images_search"))
        .where(
            text("images_search MATCH :match").bindparams(bindparam("match", match, unique=True))
        )
    )


def _says(word: str, named: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether a word begins one of the prompt, or is part of the model's name."""
    in_prompt = images.c.id.in_(_search(word, "prompt"))
    return in_prompt | named.icontains(word, autoescape=True)


def _uses_lora(ids: tuple[str, ...]) -> ColumnElement[bool]:
    entries = func.json_each(images.c.recipe, "$.loras").table_valued("value")
    named = func.json_extract(entries.c.value, "$.id").in_(ids)
    return select(entries.c.value).where(named).exists()


def _values(record: ImageRecord) -> dict[str, Any]:
    names: Sequence[str] = [item.name for item in fields(record) if item.name != "id"]
    values = {name: getattr(record, name) for name in names}
    return {**values, "prompt": record.recipe["prompt"]}


def _record(row: Row[Any]) -> ImageRecord:
    return ImageRecord(**{item.name: getattr(row, item.name) for item in fields(ImageRecord)})


def _present(path: Path) -> Path:
    """
    Raises:
        ImageNotFound: there is no such file.
    """
    if not path.is_file():
        raise _unknown(path.name)
    return path


def _unknown(filename: str) -> ImageNotFound:
    return ImageNotFound(f"There is no image {filename!r}.")
