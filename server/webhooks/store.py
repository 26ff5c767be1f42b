"""The table of webhooks: how often each was tried, when the next try is due, what came of it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, delete, func, insert, select, update

from server.database import Database, jobs, webhooks
from server.records import JobStatus, now
from server.webhooks.webhook import WORD


class Due(NamedTuple):
    """A webhook that is to be sent now, and how often that was tried."""

    job_id: str
    tries: int


class WebhookStore:
    """Every method blocks; call it off the event loop. Rows stay as long as their jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def expect(self, job_id: str) -> None:
        """The webhook of a job that has ended is due, unless it was seen to before."""
        values = {"job_id": job_id, "tries": 0, "due_at": now(), "outcome": None}
        with self._database.writing() as connection:
            connection.execute(insert(webhooks).prefix_with("OR IGNORE").values(**values))

    def owed(self, dialect: str) -> list[str]:
        """The jobs of a dialect that have ended and whose webhook nobody has seen to, as when the
        server went down. Reads all jobs of the dialect."""
        ended = jobs.c.status.in_([status for status in JobStatus if status.ended])
        query = select(jobs.c.id).where(jobs.c.dialect == dialect, ended, _has_webhook())
        query = query.where(jobs.c.id.not_in(select(webhooks.c.job_id)))
        with self._database.reading() as connection:
            return list(connection.execute(query.order_by(jobs.c.number)).scalars())

    def due(self, dialect: str, busy: Collection[str], limit: int) -> list[Due]:
        """Webhooks of a dialect's jobs that are due, but not the `busy` ones; the oldest first."""
        query = _of(dialect, busy).add_columns(webhooks.c.job_id, webhooks.c.tries)
        query = query.where(webhooks.c.due_at <= now()).order_by(webhooks.c.due_at).limit(limit)
        with self._database.reading() as connection:
            return [Due(row.job_id, row.tries) for row in connection.execute(query)]

    def next_due(self, dialect: str, busy: Collection[str]) -> datetime | None:
        """When the next webhook of a dialect's jobs is due that is not `busy`; None when none is
        left to send."""
        query = _of(dialect, busy).add_columns(func.min(webhooks.c.due_at))
        with self._database.reading() as connection:
            found: datetime | None = connection.execute(query).scalar()
        return found

    def tried(self, job_id: str, outcome: str, due: datetime | None) -> None:
        """A try was made. `due` is the next; None when none is left to make."""
        values = {"tries": webhooks.c.tries + 1, "due_at": due, "outcome": outcome}
        with self._database.writing() as connection:
            connection.execute(update(webhooks).where(webhooks.c.job_id == job_id).values(**values))

    def sweep(self) -> None:
        """Forget webhooks of jobs that are forgotten."""
        with self._database.writing() as connection:
            connection.execute(delete(webhooks).where(webhooks.c.job_id.not_in(select(jobs.c.id))))


def _of(dialect: str, busy: Collection[str]) -> Select[Any]:
    """The unsettled webhooks of a dialect's jobs that nobody is busy with, no column chosen yet."""
    joined = webhooks.join(jobs, jobs.c.id == webhooks.c.job_id)
    return (
        select()
        .select_from(joined)
        .where(jobs.c.dialect == dialect, webhooks.c.due_at.is_not(None))
        .where(webhooks.c.job_id.not_in(list(busy)))
    )


def is_unsettled() -> ColumnElement[bool]:
    """That a row of `jobs` has a webhook which is still to be sent."""
    settled = select(webhooks.c.job_id).where(
        webhooks.c.job_id == jobs.c.id, webhooks.c.due_at.is_(None)
    )
    return _has_webhook() & ~settled.exists()


def _has_webhook() -> ColumnElement[bool]:
    return func.json_extract(jobs.c.request, f"$.{WORD}.url").is_not(None)
