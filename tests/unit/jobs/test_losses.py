"""What is lost with a worker or a server, and what goes on."""

from __future__ import annotations

import asyncio

import pytest

from server.jobs.progress import snapshot_of
from server.records import JobStatus
from server.snapshots import (
    JobSnapshot,
)
from tests.unit.jobs.scripted import (
    Bench,
    die,
    make_all,
    make_one_then_die,
    never_start,
    wait_for_cancel,
    wait_for_close,
)


async def test_a_lost_worker_costs_only_the_missing_images(bench: Bench) -> None:
    bench.executor.scripts = [make_one_then_die, make_all]
    job = bench.submit(3)
    async with bench.started():
        last = await bench.end(job)
    assert last.status is JobStatus.COMPLETED and len(last.images) == 3
    assert [task.indices for task, _ in bench.executor.tasks] == [(0, 1, 2), (1, 2)]
    assert [attempt for _, attempt in bench.executor.tasks] == [1, 2]
    assert bench.store.get(job.id).losses == 1


async def test_images_and_progress_of_a_job_never_shrink(bench: Bench) -> None:
    bench.executor.scripts = [make_one_then_die, wait_for_cancel]
    job = bench.submit(3)
    seen: list[JobSnapshot] = []
    with bench.manager.feed.subscribe(job.id) as watching:
        async with bench.started():
            async for item in watching:
                seen.append(item)
                if len(item.images) == 2 and not item.status.ended:
                    await bench.manager.cancel(job.id)
    assert seen[-1].status is JobStatus.CANCELLED, seen[-1].error
    assert snapshot_of(bench.store.get(job.id)).progress == seen[-1].progress
    counts = [len(item.images) for item in seen]
    assert counts == sorted(counts) and counts[-1] == 2
    for attempt in (1, 2):
        progress = [item.progress for item in seen if item.attempt == attempt]
        assert progress == sorted(progress)


async def test_the_third_loss_fails_the_job_and_the_next_one_runs(bench: Bench) -> None:
    bench.executor.scripts = [die, die, die, make_all]
    job, following = bench.submit(1), bench.submit(1)
    async with bench.started():
        last = await bench.end(following)
    failed = bench.store.get(job.id)
    assert (failed.status, failed.error_code) == (JobStatus.FAILED, "worker_lost")
    assert "last words" in (failed.error_message or "")
    assert last.status is JobStatus.COMPLETED


async def test_a_requeued_job_goes_before_those_that_came_later(bench: Bench) -> None:
    bench.executor.scripts = [die, make_all]
    job, following = bench.submit(1), bench.submit(1)
    async with bench.started():
        await bench.end(following)
    assert [task.job_id for task, _ in bench.executor.tasks] == [job.id, job.id, following.id]


async def test_a_worker_that_never_starts_fails_the_job_with_its_last_words(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.jobs.losses.MAX_PAUSE", 0.01)
    bench.executor.scripts = [never_start, never_start, never_start, make_all]
    job, following = bench.submit(1), bench.submit(1)
    async with bench.started():
        last = await bench.end(following)
    failed = bench.store.get(job.id)
    assert (failed.error_code, failed.losses) == ("worker_unavailable", 0)
    assert "ImportError: torch" in (failed.error_message or "")
    assert last.status is JobStatus.COMPLETED


async def test_stopping_puts_the_running_job_back_without_a_loss(bench: Bench) -> None:
    bench.executor.scripts = [wait_for_close]
    job = bench.submit(1)
    async with bench.started():
        while bench.manager.running == 0:
            await asyncio.sleep(0.01)
    found = bench.store.get(job.id)
    assert (found.status, found.losses, found.restarts) == (JobStatus.QUEUED, 0, 0)


async def test_a_restart_takes_up_what_ran_and_what_waited(bench: Bench) -> None:
    ran = bench.store.begin(bench.submit(1).id)
    waited = bench.submit(1)
    bench.store.recover()
    async with bench.started():
        await bench.end(waited)
    assert bench.store.get(ran.id).attempt == 3  # begun, taken back, begun again
    assert {bench.store.get(job.id).status for job in (ran, waited)} == {JobStatus.COMPLETED}
