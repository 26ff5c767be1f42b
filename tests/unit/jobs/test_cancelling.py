"""Cancelling, in whatever state a job is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.records import Job, JobStatus
from tests.unit.jobs.scripted import (
    Bench,
    die,
    make_all,
    wait_for_cancel,
    wait_for_close,
)


async def test_two_cancels_at_once_both_succeed(bench: Bench) -> None:
    job = bench.submit(1)
    assert await asyncio.gather(*(bench.manager.cancel(job.id) for _ in range(2))) == [True, True]


async def test_a_waiting_job_is_cancelled_at_once(bench: Bench) -> None:
    job = bench.submit(1)
    assert await bench.manager.cancel(job.id)
    assert bench.store.get(job.id).status is JobStatus.CANCELLED
    assert bench.manager.waiting == 0
    assert not await bench.manager.cancel(job.id)


async def test_a_running_job_is_cancelled_and_keeps_its_images(bench: Bench) -> None:
    bench.executor.scripts = [wait_for_cancel, make_all]
    job, following = bench.submit(2), bench.submit(1)
    async with bench.started():
        with bench.manager.feed.subscribe(job.id) as watching:
            async for item in watching:
                if item.images and not item.status.ended:
                    assert await bench.manager.cancel(job.id)
        await bench.end(following)
    assert item.status is JobStatus.CANCELLED and len(item.images) == 1
    assert bench.store.get(following.id).status is JobStatus.COMPLETED


async def test_cancelling_a_job_whose_worker_dies_meanwhile_cancels_it(bench: Bench) -> None:
    bench.executor.scripts = [wait_for_close]
    job = bench.submit(1)
    async with bench.started():
        while bench.manager.running == 0:
            await asyncio.sleep(0.01)
        await bench.manager.cancel(job.id)
        bench.executor.closed.set()
        assert (await bench.end(job)).status is JobStatus.CANCELLED


async def test_cancelling_a_job_that_is_being_put_back_cancels_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.executor.scripts = [die, make_all]
    real = bench.store.requeue

    def requeue(job_id: str, **values: Any) -> Job:
        bench.manager._running[job_id].cancel()  # as a request does at this moment
        return real(job_id, **values)

    monkeypatch.setattr(bench.store, "requeue", requeue)
    job = bench.submit(1)
    async with bench.started():
        assert (await bench.end(job)).status is JobStatus.CANCELLED
    assert len(bench.executor.tasks) == 1
