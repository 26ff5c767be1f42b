"""The tables of LoRAs: files as they were read, and what is known by the hash of their contents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from server.database import Database, lora_facts, lora_files, lora_references
from server.loras.examination import Examined
from server.loras.facts import Facts
from server.loras.hashes import Hashes
from server.loras.scanner import Stamp
from server.records import now

#: A file's folder (see `Folder.key`) and its path in it.
Key: TypeAlias = tuple[str, str]

#: How long a file that is gone is remembered, for folders that come back.
REMEMBERED = timedelta(days=30)

#: Of how many readers a header is kept: a server and commands may have other families.
_READERS = 4


@dataclass(frozen=True)
class StoredFile:
    """A file as it was read last.

    Attributes:
        key: where it lies.
        stamp: its own, then.
        hashes: of its contents.
        examined: what its header says.
        reader: which code read that, see `Recognition.fingerprint`.
        sidecars: the stamps of the files beside it, by what ends their names.
        told: what those say, the most trusted first.
        gone: whether it was not there any more, at the last look.
    """

    key: Key
    stamp: Stamp
    hashes: Hashes
    examined: Examined
    reader: str
    sidecars: Mapping[str, Stamp]
    told: tuple[Facts, ...]
    gone: bool = False


@dataclass(frozen=True)
class StoredFacts:
    """What is known of a file's contents.

    Attributes:
        sha256: of the file.
        number: grows with every file that is seen for the first time.
        model_id, version_id: civitai's, as they were told last.
        ids: those that it has had, besides the one of its contents.
        civitai: what civitai says; None when it was not asked, or knows nothing.
        asked: whether it was.
        edits: what the user has changed, by name.
        references: the names of those that came to it.
    """

    sha256: str
    number: int = 0
    model_id: int | None = None
    version_id: int | None = None
    ids: tuple[str, ...] = ()
    civitai: Facts | None = None
    asked: bool = False
    edits: Mapping[str, Any] = field(default_factory=dict)
    references: frozenset[str] = frozenset()

    @property
    def numbers(self) -> tuple[int | None, int | None]:
        """Civitai's of the model and the version."""
        return self.model_id, self.version_id


class LoraStore:
    """Every method blocks; call them off the event loop.

    All may raise `DatabaseUnavailable`.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- files -----------------------------------------------------------------------------

    def files(self, reader: str = "") -> dict[Key, StoredFile]:
        """Every file that is remembered, those that are gone too, as this reader has read their
        headers, else as the last one has."""
        with self._database.reading() as connection:
            rows = connection.execute(select(lora_files)).all()
        return {(row.folder, row.name): _file(row, reader) for row in rows}

    def put(self, file: StoredFile) -> None:
        """Remember a file, and its contents if they are new."""
        folder, name = file.key
        values = {
            "size": file.stamp.size,
            "mtime_ns": file.stamp.mtime_ns,
            "ctime_ns": file.stamp.ctime_ns,
            "sha256": file.hashes.sha256,
            "autov1": file.hashes.autov1,
            "autov3": file.hashes.autov3,
            "sidecars": _sidecars_to_json(file),
            "gone_at": None,
        }
        with self._database.writing() as connection:
            values["header"] = _headers(connection, file)
            query = upsert(lora_files).values(folder=folder, name=name, **values)
            connection.execute(
                query.on_conflict_do_update(index_elements=["folder", "name"], set_=values)
            )
            _remember(connection, file.hashes.sha256)

    def mark_gone(self, keys: Iterable[Key]) -> None:
        """Note that files are not there any more; forget those that have been gone for long."""
        moment = now()
        with self._database.writing() as connection:
            for key in keys:
                connection.execute(update(lora_files).where(_is(key)).values(gone_at=moment))
            connection.execute(delete(lora_files).where(lora_files.c.gone_at < moment - REMEMBERED))

    def forget_files(self, keys: Iterable[Key]) -> None:
        """Forget files."""
        with self._database.writing() as connection:
            for key in keys:
                connection.execute(delete(lora_files).where(_is(key)))

    # --- facts -----------------------------------------------------------------------------

    def facts(self) -> dict[str, StoredFacts]:
        """What is known, by hash."""
        with self._database.reading() as connection:
            rows = connection.execute(select(lora_facts)).all()
            came = defaultdict(set)
            for name, sha256 in connection.execute(select(lora_references)):
                came[sha256].add(name)
        return {row.sha256: _facts(row, frozenset(came[row.sha256])) for row in rows}

    def note_reference(self, name: str, sha256: str) -> None:
        """Remember the contents that a reference came to, by its name."""
        query = upsert(lora_references).values(name=name, sha256=sha256)
        with self._database.writing() as connection:
            _remember(connection, sha256)
            connection.execute(
                query.on_conflict_do_update(index_elements=["name"], set_={"sha256": sha256})
            )

    def note_ids(self, told: Mapping[str, tuple[int | None, int | None, str]]) -> None:
        """Remember civitai's numbers of the model and the version of contents, and the id that
        they have now, by hash."""
        with self._database.writing() as connection:
            for sha256, (model_id, version_id, lora_id) in told.items():
                _remember(connection, sha256)
                query = select(lora_facts.c.ids).where(lora_facts.c.sha256 == sha256)
                ids = list(dict.fromkeys((*connection.execute(query).scalar_one(), lora_id)))
                _change(connection, sha256, model_id=model_id, version_id=version_id, ids=ids)

    def note_civitai(self, sha256: str, facts: Facts | None) -> None:
        """Remember what civitai says of contents, or that it does not know them."""
        asked: datetime | None = now() if facts is None else None
        told = None if facts is None else facts.to_json()
        with self._database.writing() as connection:
            _change(connection, sha256, civitai=told, not_on_civitai_at=asked)

    def edit(self, sha256: str, changes: Mapping[str, Any]) -> None:
        """Keep what the user has changed; None takes a change back."""
        with self._database.writing() as connection:
            _remember(connection, sha256)
            query = select(lora_facts.c.edits).where(lora_facts.c.sha256 == sha256)
            edits = {**connection.execute(query).scalar_one(), **changes}
            kept = {name: value for name, value in edits.items() if value is not None}
            _change(connection, sha256, edits=kept)

    def forget_facts(self, sha256: str) -> None:
        """Forget edits and what civitai said; the number stays, and with it the order."""
        none = {"model_id": None, "version_id": None, "civitai": None, "not_on_civitai_at": None}
        with self._database.writing() as connection:
            _change(connection, sha256, edits={}, ids=[], **none)


def _remember(connection: Connection, sha256: str) -> None:
    query = insert(lora_facts).prefix_with("OR IGNORE")
    connection.execute(query.values(sha256=sha256, edits={}, ids=[]))


def _change(connection: Connection, sha256: str, **values: Any) -> None:
    _remember(connection, sha256)
    connection.execute(update(lora_facts).where(lora_facts.c.sha256 == sha256).values(**values))


def _is(key: Key) -> ColumnElement[bool]:
    return and_(lora_files.c.folder == key[0], lora_files.c.name == key[1])


def _headers(connection: Connection, file: StoredFile) -> dict[str, Any]:
    """What readers say of a file's header, this one last."""
    is_same = lora_files.c.sha256 == file.hashes.sha256
    query = select(lora_files.c.header).where(_is(file.key), is_same)
    known = connection.execute(query).scalar() or {}
    others = [(reader, told) for reader, told in known.items() if reader != file.reader]
    return dict([*others[1 - _READERS :], (file.reader, file.examined.to_json())])


def _sidecars_to_json(file: StoredFile) -> dict[str, Any]:
    stamps = {name: astuple(stamp) for name, stamp in file.sidecars.items()}
    return {"stamps": stamps, "facts": [facts.to_json() for facts in file.told]}


def _file(row: Row[Any], reader: str) -> StoredFile:
    stamps = row.sidecars["stamps"].items()
    found = reader if reader in row.header else list(row.header)[-1]
    return StoredFile(
        key=(row.folder, row.name),
        stamp=Stamp(row.size, row.mtime_ns, row.ctime_ns),
        hashes=Hashes(row.sha256, row.autov1, row.autov3),
        examined=Examined.from_json(row.header[found]),
        reader=found,
        sidecars={name: Stamp(*stamp) for name, stamp in stamps},
        told=tuple(Facts.from_json(facts) for facts in row.sidecars["facts"]),
        gone=row.gone_at is not None,
    )


def _facts(row: Row[Any], references: frozenset[str]) -> StoredFacts:
    return StoredFacts(
        sha256=row.sha256,
        number=row.number,
        model_id=row.model_id,
        version_id=row.version_id,
        ids=tuple(row.ids),
        civitai=None if row.civitai is None else Facts.from_json(row.civitai),
        asked=row.civitai is not None or row.not_on_civitai_at is not None,
        edits=row.edits,
        references=references,
    )
