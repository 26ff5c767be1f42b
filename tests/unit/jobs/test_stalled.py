"""Jobs that the database has as running and nobody runs."""

from __future__ import annotations

import asyncio

from server.jobs.store import JobStore
from server.records import JobStatus
from tests.unit.jobs.builders import new_job
from tests.unit.jobs.scripted import Bench, wait_for_cancel


def stalled(store: JobStore) -> str:
    """The id of a job that began and that nobody runs."""
    params = {"prompt": "red", "width": 64, "height": 64, "steps": 4, "seed": 7, "num_images": 1}
    return store.begin(store.create(new_job(params=params)).id).id


async def test_a_stalled_job_runs_again(bench: Bench, store: JobStore) -> None:
    async with bench.started():
        job_id = stalled(store)
        assert await bench.manager.requeue_stalled() == 1
        end = await bench.end(store.get(job_id))
    assert end.status is JobStatus.COMPLETED
    assert store.get(job_id).attempt == 3, "revisions must not fall"


async def test_two_who_look_at_once_find_each_once(bench: Bench, store: JobStore) -> None:
    async with bench.started():
        job_id = stalled(store)
        found = await asyncio.gather(*(bench.manager.requeue_stalled() for _ in range(5)))
        end = await bench.end(store.get(job_id))
    assert sorted(found) == [0, 0, 0, 0, 1]
    assert end.status is JobStatus.COMPLETED


async def test_jobs_that_run_or_wait_are_left_alone(bench: Bench, store: JobStore) -> None:
    bench.executor.scripts = [wait_for_cancel]
    async with bench.started():
        running, waiting = bench.submit(), bench.submit()
        while not bench.executor.tasks:
            await asyncio.sleep(0.01)
        assert await bench.manager.requeue_stalled() == 0
        assert store.get(running.id).status is JobStatus.PROCESSING
        assert store.get(waiting.id).status is JobStatus.QUEUED
