"""What became of the newest jobs, in numbers; counted by the database."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, case, func, select

from server.client_names import of_job
from server.database import Database, jobs
from server.records import JobKind, JobStatus

SECONDS_PER_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Statistics:
    """Jobs that make images, of some time.

    `models` has the number of jobs by status, by the model's name; `seconds` is what a completed
    job took on average from its start to its end, None without one.
    """

    models: Mapping[str, Mapping[JobStatus, int]]
    seconds: float | None

    @property
    def all(self) -> Mapping[JobStatus, int]:
        """The number of jobs by status, of all models."""
        return sum((Counter(counts) for counts in self.models.values()), Counter())


class JobStatistics:
    """Counts jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def since(self, moment: datetime, dialect: str) -> Statistics:
        """The jobs since a moment, their models named as the clients of `dialect` do."""
        return await asyncio.to_thread(self._read, _query(dialect, moment))

    def _read(self, query: Select[Any]) -> Statistics:
        models: defaultdict[str, dict[JobStatus, int]] = defaultdict(dict)
        timed, seconds = 0, 0.0
        with self._database.reading() as connection:
            for name, status, count, ended, took in connection.execute(query):
                models[name][JobStatus(status)] = count
                timed, seconds = timed + ended, seconds + took
        return Statistics(dict(models), seconds / timed if timed else None)


def _query(dialect: str, since: datetime) -> Select[Any]:
    name = of_job(dialect)
    days = func.julianday(jobs.c.finished_at) - func.julianday(jobs.c.started_at)
    took = case((jobs.c.status == JobStatus.COMPLETED, days * SECONDS_PER_DAY))
    return (
        select(name, jobs.c.status, func.count(), func.count(took), func.total(took))
        .where(jobs.c.created_at >= since, jobs.c.kind != JobKind.DOWNLOAD)
        .group_by(name, jobs.c.status)
    )
