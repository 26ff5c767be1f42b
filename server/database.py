"""The SQLite database: its tables, and transactions that are durable when they return.

Everything is SQLAlchemy Core; only the search index is SQLite's own (FTS5).
"""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    URL,
    Column,
    Connection,
    DateTime,
    Dialect,
    Engine,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    create_engine,
    event,
    inspect,
    text,
)
from sqlalchemy.exc import DatabaseError, OperationalError

from server.errors import DatabaseUnavailable, DatabaseUnreadable, InvalidParameters
from server.migrations import newest

#: The newest migration in `server/migrations`; a database that has it needs no Alembic.
HEAD = "0003"

metadata = MetaData()


class UtcDateTime(TypeDecorator[datetime]):
    """A moment; SQLite keeps no zone, so it is stored in UTC and read back as UTC."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To naive UTC."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From naive UTC."""
        return None if value is None else value.replace(tzinfo=UTC)


jobs = Table(
    "jobs",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", String(24), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("model", String(200), nullable=False),
    Column("family", String(200), nullable=False),
    Column("params", JSON, nullable=False),
    Column("warnings", JSON, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("losses", Integer, nullable=False),
    Column("restarts", Integer, nullable=False),
    Column("images_done", JSON, nullable=False),
    Column("progress", Float, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("error_code", String(64)),
    Column("error_message", Text),
    Column("dialect", String(64), nullable=False),
    Column("client", String(200), nullable=False),
    Column("client_model", String(200)),
    Column("request", JSON, nullable=False),
    Column("folder", Text),
    Index("jobs_by_status", "status", "number"),
    Index("jobs_by_dialect", "dialect", "number"),
    Index("jobs_by_age", "created_at"),
    sqlite_autoincrement=True,  # a number is never used twice, or the queue's order could lie
)

images = Table(
    "images",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("filename", String(64), nullable=False, unique=True),
    Column("job_id", String(24), nullable=False),
    Column("index", Integer, nullable=False),
    Column("model", String(200), nullable=False),
    Column("family", String(200), nullable=False),
    Column("prompt", Text, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("recipe", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("size", Integer, nullable=False),
    Column("folder", Text),
    UniqueConstraint("job_id", "index"),
    Index("images_by_model", "model", "id"),
    sqlite_autoincrement=True,  # ids are the gallery stream's event ids
)

#: Files whose row is gone and that may still be on the disk.
trash = Table(
    "trash", metadata, Column("filename", String(64), primary_key=True), Column("folder", Text)
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("scope", String(64), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("body_hash", String(64), nullable=False),
    Column("job_id", String(24), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index("idempotency_by_age", "created_at"),
)

#: What the server remembers between runs, such as the current model.
state = Table(
    "state",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("value", JSON, nullable=False),
)

#: LoRA files by the folder they lie in (see `server.loras.scanner.Folder`) and their path in it,
#: with what reading them has told: `header` by the fingerprint of the code that read it.
lora_files = Table(
    "lora_files",
    metadata,
    Column("folder", String(200), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("size", Integer, nullable=False),
    Column("mtime_ns", Integer, nullable=False),
    Column("ctime_ns", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("autov1", String(8)),
    Column("autov3", String(64), nullable=False),
    Column("header", JSON, nullable=False),
    Column("sidecars", JSON, nullable=False),
    Column("gone_at", UtcDateTime),  # a folder that is not mounted now may come back unchanged
)

#: What is known of a LoRA besides its file, by the hash of its contents, so that it follows the
#: file wherever that goes: the user's edits, what civitai says, and the ids that it has had.
lora_facts = Table(
    "lora_facts",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("model_id", Integer),
    Column("version_id", Integer),
    Column("ids", JSON, nullable=False),
    Column("civitai", JSON),
    Column("not_on_civitai_at", UtcDateTime),
    Column("edits", JSON, nullable=False),
    sqlite_autoincrement=True,  # the older of two files keeps an id that both claim
)


#: What references to LoRAs came to, by `server.loras.references.name_of`.
lora_references = Table(
    "lora_references",
    metadata,
    Column("name", Text, primary_key=True),
    Column("sha256", String(64), nullable=False),
)


#: Keys of the HTTP APIs. `hash` is scrypt's of the secret part with `salt`; `id` is the public one.
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("salt", String(64), nullable=False),
    Column("hash", String(128), nullable=False),
    Column("tier", String(16), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("max_queued", Integer),
    Column("max_running", Integer),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
)

#: What is to be sent to clients once their jobs have ended: `tries` were made, `due_at` is the
#: next, None when none is left to make.
webhooks = Table(
    "webhooks",
    metadata,
    Column("job_id", String(24), primary_key=True),
    Column("tries", Integer, nullable=False),
    Column("due_at", UtcDateTime),
    Column("outcome", Text),
    Index("webhooks_by_time", "due_at"),
)


class Database:
    """One SQLite file in WAL mode, open from construction to `close`."""

    def __init__(self, path: Path) -> None:
        """Open the file, create or migrate it.

        Raises:
            DatabaseUnreadable: it is damaged, no database, or from a newer Darkroom.
        """
        self.path = path
        self._engine = _engine(path)
        self._writer = self._engine.execution_options(immediate=True)
        self._write_lock = threading.Lock()
        try:
            self._migrate()
        except (DatabaseError, sqlite3.DatabaseError) as error:
            self.close()
            raise DatabaseUnreadable(
                f"The database {path} cannot be used: {_reason(error)}. Move it away to start "
                "with an empty one, or restore a backup of it."
            ) from error
        except BaseException:
            self.close()
            raise

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one consistent state.

        Raises:
            DatabaseUnavailable: the file cannot be read now.
        """
        try:
            with self._engine.connect() as connection, connection.begin():
                yield connection
        except OperationalError as error:
            raise self._unavailable(error) from error

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes; when the block has ended it is on the disk.

        Raises:
            DatabaseUnavailable: the file cannot be written, the disk is full, say.
        """
        with self._write_lock:
            try:
                with self._writer.connect() as connection, connection.begin():
                    yield connection
            except OperationalError as error:
                raise self._unavailable(error) from error

    def _unavailable(self, error: OperationalError) -> DatabaseUnavailable:
        return DatabaseUnavailable(
            f"The database {self.path} cannot be used now: {_reason(error)}. Free disk space or "
            "mend the folder's permissions, then try again."
        )

    def pragma(self, name: str) -> Any:
        """The value of a PRAGMA on a connection like those that commit."""
        with self._engine.connect() as connection:
            return connection.exec_driver_sql(f"PRAGMA {name}").scalar()

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def _migrate(self) -> None:
        with self._engine.connect() as connection:
            revision = _revision(connection)
        if revision == HEAD:
            return
        if revision is not None and revision > HEAD:
            raise DatabaseUnreadable(
                f"The database {self.path} was written by a newer Darkroom (revision {revision}, "
                f"this one knows {HEAD}). Update Darkroom, or use another data folder."
            )
        if self._create():
            return
        # As heavy as `newest` says: only for those who migrate.
        from server.migrations.run import upgrade

        with self._writer.connect() as connection:
            upgrade(connection)

    def _create(self) -> bool:
        """Make the newest tables; whether there were none."""
        with self._writer.connect() as connection, connection.begin():
            is_empty = not inspect(connection).get_table_names()
            if is_empty:
                newest.create(connection)
            return is_empty


def row_of(cursor: str) -> int:
    """The row number in a page's `next_cursor`.

    Raises:
        InvalidParameters: it is none of ours.
    """
    if not re.fullmatch(r"[0-9]{1,18}", cursor):
        problem = {"loc": ["cursor"], "msg": "is not a page's next_cursor", "type": "cursor"}
        raise InvalidParameters([problem])
    return int(cursor)


def examine(path: Path) -> tuple[str | None, str]:
    """A database file's schema revision (None: it has none) and what SQLite finds wrong with it
    (`ok`: nothing). Changes nothing; a server may be using the file.

    Raises:
        sqlite3.DatabaseError: it is not a database.
    """
    with closing(read_only(path)) as connection:
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        found = connection.execute(
            "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"
        ).fetchone()
        row = found and connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(row[0]) if row else None, str(verdict)


def read_only(path: Path) -> sqlite3.Connection:
    """A connection that makes and changes nothing; a server may be using the file.

    Raises:
        sqlite3.DatabaseError: it is not there, or not a database.
    """
    # Whoever reads in WAL mode makes a log where there is none. Without one nobody writes either.
    log = path.with_name(f"{path.name}-wal")
    mode = "mode=ro" if log.exists() else "mode=ro&immutable=1"
    return sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True)


def _engine(path: Path) -> Engine:
    engine = create_engine(
        # Not as text: a `?` in the path would begin the URL's options.
        URL.create("sqlite+pysqlite", database=str(path)),
        connect_args={"timeout": 30, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        # Python's driver would begin transactions on its own, and late; the listener below does.
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            # NORMAL is faster, but a power cut may take the last commits with it.
            "synchronous=FULL",
            "fullfsync=ON",  # macOS: through the drive's cache; elsewhere it means nothing
            "foreign_keys=ON",
            "busy_timeout=30000",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that starts reading and writes later can fail half-way when another
        # connection wrote in between; writers take the lock at once.
        immediate = connection.get_execution_options().get("immediate", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def _reason(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error)
