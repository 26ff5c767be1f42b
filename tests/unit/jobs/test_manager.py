"""The queue: order, positions, pauses, failures."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from server.database import Database
from server.errors import DatabaseUnavailable
from server.records import Job, JobStatus
from tests.unit.jobs.builders import new_job
from tests.unit.jobs.scripted import (
    Bench,
    fail,
    forget_an_image,
    make_all,
    wait_for_cancel,
    wait_then_make,
)


async def test_jobs_run_in_the_order_of_their_submission(bench: Bench) -> None:
    jobs = [bench.submit(1) for _ in range(3)]
    async with bench.started():
        await bench.end(jobs[2])
    assert [task.job_id for task, _ in bench.executor.tasks] == [job.id for job in jobs]
    assert {bench.store.get(job.id).status for job in jobs} == {JobStatus.COMPLETED}
    assert bench.ended == ["job"] * 3


async def test_positions_count_down_and_end_with_the_wait(bench: Bench) -> None:
    bench.executor.scripts = [wait_then_make]
    *_, third = (bench.submit(1) for _ in range(3))
    with bench.manager.feed.subscribe(third.id) as watching:
        async with bench.started():
            positions = []
            async for item in watching:
                positions.append(item.queue_position)
                bench.executor.proceed.set()
    assert positions[0] == 3 or positions[0] == 2
    assert sorted((p for p in positions if p), reverse=True) == [p for p in positions if p]
    assert positions[-1] is None


async def test_the_last_snapshot_has_the_images(bench: Bench) -> None:
    job = bench.submit(2)
    async with bench.started():
        last = await bench.end(job)
    assert last.status is JobStatus.COMPLETED and last.progress == 1.0
    assert [item["index"] for item in last.images] == [0, 1]
    assert [item["seed"] for item in last.images] == [7, 8]


async def test_an_observer_that_hangs_holds_up_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = threading.Event()
    monkeypatch.setattr(bench.plugins, "image_added", lambda image: held.wait())
    jobs = [bench.submit(1) for _ in range(2)]
    async with bench.started():
        assert (await bench.end(jobs[1])).status is JobStatus.COMPLETED
    held.set()


async def test_an_end_nobody_foresaw_leaves_no_watcher_waiting(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> Job:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(bench.store, "finish", broken)
    job = bench.submit(1)
    async with bench.started():
        last = await bench.end(job)
    assert last.error is not None and last.error["code"] == "internal_error"


async def test_a_paused_queue_runs_nothing_until_it_is_resumed(bench: Bench) -> None:
    bench.manager.pause()
    job = bench.submit(1)
    async with bench.started():
        await asyncio.sleep(0.05)
        assert bench.executor.tasks == [] and bench.manager.waiting == 1
        bench.manager.resume()
        assert (await bench.end(job)).status is JobStatus.COMPLETED


async def test_a_failure_has_its_code_and_names_the_plugin(bench: Bench) -> None:
    bench.executor.scripts = [fail]
    job = bench.submit(1)
    async with bench.started():
        last = await bench.end(job)
    assert last.error == {"code": "generation_failed", "message": "ValueError: no"}
    record = next(item for item in bench.plugins.records() if item.name == "colours")
    assert record.faults == ("Generating raised ValueError",)


async def test_a_worker_that_forgets_an_image_does_not_complete_the_job(bench: Bench) -> None:
    bench.executor.scripts = [forget_an_image]
    job = bench.submit(1)
    async with bench.started():
        last = await bench.end(job)
    assert last.error is not None and last.error["code"] == "plugin_failed"


async def test_an_image_that_cannot_be_stored_fails_the_job_and_no_other(
    bench: Bench, tmp_path: Path
) -> None:
    bench.executor.scripts = [wait_for_cancel, make_all]
    (tmp_path / "images").rmdir()
    (tmp_path / "images").write_text("no folder")
    job, following = bench.submit(1), bench.submit(1)
    async with bench.started():
        last = await bench.end(job)
        (tmp_path / "images").unlink()
        (tmp_path / "images").mkdir()
        assert (await bench.end(following)).status is JobStatus.COMPLETED
    assert last.error is not None and last.error["code"] == "storage_failed"


async def test_a_full_disk_delays_a_change_and_loses_none(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.jobs.persisting.MAX_PAUSE", 0.01)
    real, refusals = bench.store.finish, iter(range(2))

    def finish(*args: Any, **kwargs: Any) -> Job:
        if next(refusals, None) is not None:
            raise DatabaseUnavailable("disk full")
        return real(*args, **kwargs)

    monkeypatch.setattr(bench.store, "finish", finish)
    monkeypatch.setattr(asyncio, "sleep", _soon(asyncio.sleep))
    job = bench.submit(1)
    async with bench.started():
        assert (await bench.end(job)).status is JobStatus.COMPLETED


def _soon(sleep: Callable[[float], Awaitable[None]]) -> Callable[[float], Awaitable[None]]:
    async def shorter(seconds: float) -> None:
        await sleep(min(seconds, 0.01))

    return shorter


async def test_a_job_of_a_family_that_is_gone_says_so(bench: Bench) -> None:
    job = bench.store.create(new_job(family="gone", model="gone"))
    bench.manager.enqueue(job)
    async with bench.started():
        last = await bench.end(job)
    assert last.error is not None and last.error["code"] == "plugin_failed"
    assert "gone" in last.error["message"]


def test_writes_that_the_disk_refuses_are_told_as_such(database: Database) -> None:
    with pytest.raises(DatabaseUnavailable, match="disk is full"), database.writing():
        raise OperationalError("INSERT", {}, Exception("database or disk is full"))


async def test_a_client_with_a_quota_leaves_a_slot_to_others(bench: Bench) -> None:
    bench.executor.scripts = [wait_then_make]
    bench.executor.number_of_slots, bench.quota = 2, 1
    first, second = bench.submit(1, "key:a"), bench.submit(1, "key:a")
    other = bench.submit(1, "key:b")
    async with bench.started():
        while len(bench.executor.tasks) < 2:
            await asyncio.sleep(0.01)
        assert {task.job_id for task, _ in bench.executor.tasks} == {first.id, other.id}
        assert bench.store.get(second.id).status is JobStatus.QUEUED
        bench.executor.proceed.set()
        assert (await bench.end(second)).status is JobStatus.COMPLETED
