"""The table of jobs: every change of a job's life is one durable transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Select,
    case,
    delete,
    func,
    insert,
    select,
    update,
)

from server.database import Database, idempotency, jobs, row_of
from server.errors import IdempotencyConflict, JobNotFound, Quarantined
from server.records import Job, JobKind, JobStatus, Origin, now
from server.webhooks.store import is_unsettled

#: How long an Idempotency-Key is remembered.
KEY_LIFETIME = timedelta(hours=24)

#: A job that has seen this many servers in a row go down is given up.
MAX_RESTARTS = 10


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A client's key for one request. `scope` is the API key's; `body_hash` hex SHA-256."""

    scope: str
    key: str
    body_hash: str


class JobStore:
    """Every method blocks; call it off the event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, job: Job, key: IdempotencyKey | None = None) -> Job:
        """Commit a new job and return it with its number, or the job that `key` made before.

        Raises:
            IdempotencyConflict: the key was used with another body.
        """
        with self._database.writing() as connection:
            if key is not None and (earlier := _find_key(connection, key)) is not None:
                return earlier
            query = insert(jobs).values(**_values(job)).returning(jobs.c.number)
            number = int(connection.execute(query).scalar_one())
            if key is not None:
                _remember_key(connection, key, job)
            return replace(job, number=number)

    def find_by_key(self, key: IdempotencyKey) -> Job | None:
        """The job that `key` made before.

        Raises:
            IdempotencyConflict: the key was used with another body.
        """
        with self._database.reading() as connection:
            return _find_key(connection, key)

    def forget_key(self, job_id: str) -> None:
        """Forget by which key a job was made: a repeat of the request makes another."""
        with self._database.writing() as connection:
            connection.execute(delete(idempotency).where(idempotency.c.job_id == job_id))

    def get(self, job_id: str) -> Job:
        """The job with this id.

        Raises:
            JobNotFound: there is none.
        """
        with self._database.reading() as connection:
            return _get(connection, job_id)

    def many(self, job_ids: Iterable[str]) -> dict[str, Job]:
        """Those of these jobs that there are, by id."""
        found = self._jobs(select(jobs).where(jobs.c.id.in_(list(job_ids))))
        return {job.id: job for job in found}

    def page(
        self, status: JobStatus | None, limit: int, cursor: str | None
    ) -> tuple[list[Job], str | None]:
        """Jobs newest first, and the cursor of the next page or None."""
        query = select(jobs).order_by(jobs.c.number.desc()).limit(limit + 1)
        if status is not None:
            query = query.where(jobs.c.status == status)
        if cursor is not None:
            query = query.where(jobs.c.number < row_of(cursor))
        found = self._jobs(query)
        more = len(found) > limit
        return found[:limit], str(found[limit - 1].number) if more else None

    def waiting(self) -> list[Job]:
        """Queued jobs of all kinds, in the order in which they were submitted."""
        query = select(jobs).where(jobs.c.status == JobStatus.QUEUED)
        return self._jobs(query.order_by(jobs.c.number))

    def processing(self) -> list[Job]:
        """Jobs of the queue that run, oldest first, as far as the database knows."""
        query = select(jobs).where(jobs.c.status == JobStatus.PROCESSING)
        return self._jobs(query.where(jobs.c.kind != JobKind.DOWNLOAD).order_by(jobs.c.number))

    def counts(self) -> dict[JobStatus, int]:
        """How many jobs of the queue have each status; downloads are not among them."""
        query = select(jobs.c.status, func.count()).group_by(jobs.c.status)
        query = query.where(jobs.c.kind != JobKind.DOWNLOAD)
        with self._database.reading() as connection:
            found = {JobStatus(status): count for status, count in connection.execute(query)}
        return {status: found.get(status, 0) for status in JobStatus}

    def begin(self, job_id: str) -> Job:
        """Dispatch a queued job: `processing`, and a new attempt.

        Raises:
            JobNotFound: no queued job has this id.
        """
        return self._change(
            job_id,
            JobStatus.QUEUED,
            status=JobStatus.PROCESSING,
            attempt=jobs.c.attempt + 1,
            seq=0,
            started_at=None,
        )

    def start(self, job_id: str) -> Job:
        """A worker took the running job: from here on it may be what brings a server down.

        Raises:
            JobNotFound: no running job has this id.
        """
        return self._change(job_id, JobStatus.PROCESSING, started_at=now())

    def warn(self, job_id: str, warning: str) -> Job:
        """Add a warning to the running job, unless it has it.

        Raises:
            JobNotFound: no running job has this id.
        """
        warnings = self.get(job_id).warnings
        if warning not in warnings:
            warnings = (*warnings, _storable(warning))
        return self._change(job_id, JobStatus.PROCESSING, warnings=list(warnings))

    def note_params(self, job_id: str, params: Mapping[str, Any]) -> Job:
        """Keep what the running job's parameters have come to: what became of its LoRAs, say.

        Raises:
            JobNotFound: no running job has this id.
        """
        return self._change(job_id, JobStatus.PROCESSING, params=dict(params))

    def requeue(self, job_id: str, *, seq: int, lost: bool) -> Job:
        """Put a running job back; it keeps its place. `lost` counts the worker's death.

        Raises:
            JobNotFound: no running job has this id.
        """
        return self._change(
            job_id,
            JobStatus.PROCESSING,
            status=JobStatus.QUEUED,
            seq=seq,
            losses=jobs.c.losses + int(lost),
        )

    def put_back(self, job_id: str) -> Job:
        """Queue a job again that nobody runs any more. The attempt grows, since the old one's last
        revision number is not known and revisions must not fall.

        Raises:
            JobNotFound: no running job has this id.
        """
        return self._change(
            job_id,
            JobStatus.PROCESSING,
            status=JobStatus.QUEUED,
            attempt=jobs.c.attempt + 1,
            seq=0,
        )

    def finish(
        self,
        job_id: str,
        status: JobStatus,
        *,
        seq: int,
        progress: float = 0.0,
        error: tuple[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Job:
        """End a job that has not ended. `error` is (code, message); `params` take the place of its
        parameters.

        Raises:
            JobNotFound: no such job, or it ended before.
        """
        code, message = error or (None, None)
        kept = {} if params is None else {"params": dict(params)}
        return self._change(
            job_id,
            JobStatus.QUEUED,
            JobStatus.PROCESSING,
            status=status,
            seq=seq,
            progress=progress,
            finished_at=now(),
            error_code=code,
            error_message=None if message is None else _storable(message),
            **kept,
        )

    def recover(self) -> None:
        """After a start: jobs that ran when the server went down are queued again, and those
        that have seen ten servers in a row go down, once a worker had taken them, fail. A download
        is not what brings a server down, however long it takes.

        The attempt grows, that of waiting jobs too, since the old one's last revision number is
        not known and revisions must not fall.
        """
        at_work = (jobs.c.status == JobStatus.PROCESSING) & jobs.c.started_at.is_not(None)
        at_work &= jobs.c.kind != JobKind.DOWNLOAD
        with self._database.writing() as connection:
            connection.execute(
                update(jobs)
                .where(jobs.c.status.in_([JobStatus.QUEUED, JobStatus.PROCESSING]))
                .values(
                    status=JobStatus.QUEUED,
                    attempt=jobs.c.attempt + 1,
                    seq=0,
                    restarts=jobs.c.restarts + case((at_work, 1), else_=0),
                )
            )
            connection.execute(
                update(jobs)
                .where(jobs.c.status == JobStatus.QUEUED, jobs.c.restarts >= MAX_RESTARTS)
                .values(
                    status=JobStatus.FAILED,
                    seq=1,
                    finished_at=now(),
                    error_code=Quarantined.code,
                    error_message=Quarantined.title,
                )
            )

    def delete(self, job_id: str) -> None:
        """Forget an ended job; its images stay in the gallery.

        Raises:
            JobNotFound: no ended job has this id.
        """
        with self._database.writing() as connection:
            ended = jobs.c.status.in_([status for status in JobStatus if status.ended])
            result = connection.execute(delete(jobs).where(jobs.c.id == job_id, ended))
            if result.rowcount == 0:
                raise _unknown(job_id)

    def prune(self, keep: int) -> None:
        """Forget all ended jobs but the newest `keep`, by the time they were submitted. Jobs that
        a retry may still ask for by its Idempotency-Key stay, and those whose webhook is still to
        be sent."""
        ended = jobs.c.status.in_([status for status in JobStatus if status.ended])
        newest = select(jobs.c.number).where(ended).order_by(jobs.c.number.desc()).limit(keep)
        with self._database.writing() as connection:
            old = (ended, jobs.c.number.not_in(newest))
            free = (jobs.c.id.not_in(_jobs_with_keys()), ~is_unsettled())
            connection.execute(delete(jobs).where(*old, *free))

    def _change(self, job_id: str, *from_statuses: JobStatus, **values: Any) -> Job:
        with self._database.writing() as connection:
            allowed = jobs.c.status.in_(from_statuses)
            result = connection.execute(
                update(jobs).where(jobs.c.id == job_id, allowed).values(**values)
            )
            if result.rowcount == 0:
                raise _unknown(job_id)
            return _get(connection, job_id)

    def _jobs(self, query: Select[Any]) -> list[Job]:
        with self._database.reading() as connection:
            return [_job(row) for row in connection.execute(query)]


def _get(connection: Connection, job_id: str) -> Job:
    row = connection.execute(select(jobs).where(jobs.c.id == job_id)).first()
    if row is None:
        raise _unknown(job_id)
    return _job(row)


def _storable(text: str) -> str:
    """Text as SQLite takes it: an exception may quote half a surrogate pair, from a path say."""
    return text.encode("utf-8", "replace").decode()


def _find_key(connection: Connection, key: IdempotencyKey) -> Job | None:
    row = connection.execute(
        select(idempotency).where(
            idempotency.c.scope == key.scope,
            idempotency.c.key == key.key,
            idempotency.c.created_at > now() - KEY_LIFETIME,
        )
    ).first()
    if row is None:
        return None
    if row.body_hash != key.body_hash:
        raise IdempotencyConflict(
            f"The Idempotency-Key {key.key!r} was used for another request within 24 hours. "
            "Send a new key with a new request."
        )
    found = connection.execute(select(jobs).where(jobs.c.id == row.job_id)).first()
    return None if found is None else _job(found)


def _jobs_with_keys() -> Select[Any]:
    return select(idempotency.c.job_id).where(idempotency.c.created_at > now() - KEY_LIFETIME)


def _remember_key(connection: Connection, key: IdempotencyKey, job: Job) -> None:
    expired = idempotency.c.created_at <= now() - KEY_LIFETIME
    connection.execute(delete(idempotency).where(expired))
    same = (idempotency.c.scope == key.scope) & (idempotency.c.key == key.key)
    connection.execute(delete(idempotency).where(same))
    connection.execute(
        insert(idempotency).values(
            scope=key.scope,
            key=key.key,
            body_hash=key.body_hash,
            job_id=job.id,
            created_at=job.created_at,
        )
    )


#: Fields of a job that are no columns of their own.
_OTHERS = frozenset({"number", "origin"})


def _values(job: Job) -> dict[str, Any]:
    names = [item.name for item in fields(job) if item.name not in _OTHERS]
    return {
        **{name: getattr(job, name) for name in names},
        "warnings": list(job.warnings),
        "images_done": sorted(job.images_done),
        "dialect": job.origin.dialect,
        "client": job.origin.client,
        "client_model": job.origin.model,
        "request": dict(job.origin.request),
    }


def _job(row: Row[Any]) -> Job:
    values = {item.name: getattr(row, item.name) for item in fields(Job) if item.name != "origin"}
    return Job(
        **{
            **values,
            "origin": Origin(row.dialect, row.client, row.client_model, row.request),
            "kind": JobKind(row.kind),
            "status": JobStatus(row.status),
            "warnings": tuple(row.warnings),
            "images_done": frozenset(row.images_done),
        }
    )


def _unknown(job_id: str) -> JobNotFound:
    return JobNotFound(f"There is no job {job_id!r}.")
