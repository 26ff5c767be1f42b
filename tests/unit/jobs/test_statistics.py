"""Statistics are what counting one by one gives."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, text

from server.database import Database, jobs
from server.jobs.statistics import JobStatistics, Statistics
from server.records import JobKind, JobStatus

DIALECT = "snapshots"
NOW = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)
DAY = timedelta(hours=24)


def row(number: int, **values: Any) -> dict[str, Any]:
    """A row of the table of jobs."""
    return {
        **{"number": number, "id": f"job {number}", "kind": JobKind.GENERATE, "family": ""},
        **{"params": {}, "warnings": [], "attempt": 1, "seq": 0, "losses": 0, "restarts": 0},
        **{"images_done": [], "progress": 0.0, "client": "", "request": {}, **values},
    }


@st.composite
def jobs_of_a_week(draw: st.DrawFn) -> dict[str, Any]:
    """What a job may be; one that has begun took up to two hours, in milliseconds."""
    created = NOW - timedelta(seconds=draw(st.integers(-60, 2 * 86_400)))
    took = draw(st.none() | st.integers(0, 7_200_000))
    started = None if took is None else created + timedelta(seconds=draw(st.integers(0, 60)))
    return {
        "kind": draw(st.sampled_from([JobKind.GENERATE, JobKind.GENERATE, JobKind.DOWNLOAD])),
        "status": draw(st.sampled_from(JobStatus)),
        "model": draw(st.sampled_from(["a", "b"])),
        "dialect": draw(st.sampled_from([DIALECT, "native"])),
        "client_model": draw(st.sampled_from([None, "mine", "b"])),
        "created_at": created,
        "started_at": started,
        "finished_at": started and started + timedelta(milliseconds=took or 0),
    }


def counted(rows: list[dict[str, Any]], since: datetime) -> dict[tuple[str, JobStatus], int]:
    """The jobs by model and status, one by one."""
    found: Counter[tuple[str, JobStatus]] = Counter()
    for each in rows:
        if each["created_at"] >= since and each["kind"] != JobKind.DOWNLOAD:
            own = each["dialect"] == DIALECT and each["client_model"] is not None
            found[each["client_model"] if own else each["model"], each["status"]] += 1
    return found


def mean_seconds(rows: list[dict[str, Any]], since: datetime) -> float | None:
    """What completed jobs took on average, one by one."""
    took = [
        (each["finished_at"] - each["started_at"]).total_seconds()
        for each in rows
        if each["created_at"] >= since
        and each["kind"] != JobKind.DOWNLOAD
        and each["status"] is JobStatus.COMPLETED
        and each["started_at"] is not None
    ]
    return sum(took) / len(took) if took else None


def statistics_of(rows: list[dict[str, Any]], since: datetime) -> Statistics:
    """What the database says."""
    with TemporaryDirectory() as folder:
        database = Database(Path(folder) / "darkroom.db")
        try:
            if rows:
                with database.writing() as connection:
                    connection.execute(insert(jobs), rows)
            return asyncio.run(JobStatistics(database).since(since, DIALECT))
        finally:
            database.close()


@given(st.lists(jobs_of_a_week(), max_size=40))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_they_are_what_counting_one_by_one_gives(found: list[dict[str, Any]]) -> None:
    rows = [row(number, **values) for number, values in enumerate(found, 1)]
    statistics = statistics_of(rows, NOW - DAY)
    flat = {
        (model, status): count
        for model, counts in statistics.models.items()
        for status, count in counts.items()
    }
    expected = counted(rows, NOW - DAY)
    assert flat == expected
    by_status: Counter[JobStatus] = Counter()
    for (_, status), count in expected.items():
        by_status[status] += count
    assert statistics.all == by_status
    assert statistics.seconds == pytest.approx(mean_seconds(rows, NOW - DAY), abs=0.002)


def test_thousands_of_old_jobs_are_not_looked_at(database: Database) -> None:
    old = {"status": JobStatus.COMPLETED, "model": "a", "dialect": "native", "client_model": None}
    times = {"started_at": None, "finished_at": None}
    rows = [
        row(number, **old, **times, created_at=NOW - timedelta(minutes=number))
        for number in range(1, 5001)
    ]
    with database.writing() as connection:
        connection.execute(insert(jobs), rows)
        plan = connection.execute(
            text("EXPLAIN QUERY PLAN SELECT status FROM jobs WHERE created_at >= :since"),
            {"since": str(NOW - DAY)},
        ).all()
    assert "USING INDEX jobs_by_age" in str(plan)
    statistics = asyncio.run(JobStatistics(database).since(NOW - DAY, DIALECT))
    assert statistics.models == {"a": {JobStatus.COMPLETED: 24 * 60}}
    assert statistics.seconds is None
