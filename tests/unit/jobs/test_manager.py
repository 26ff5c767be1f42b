"""The queue, with an executor that does as each test says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from server.catalog import ModelCatalog
from server.database import Database
from server.errors import DatabaseUnavailable, WorkerLost
from server.gallery import Gallery
from server.generation import Task
from server.jobs.manager import JobManager
from server.jobs.progress import snapshot_of
from server.jobs.store import JobStore
from server.plugins.manager import PluginManager, discover
from server.records import Job, JobStatus
from server.snapshots import (
    ImageReady,
    JobSnapshot,
    PhaseChanged,
    StepDone,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    TaskMessage,
    TaskStarted,
)
from tests.support import PLUGINS
from tests.unit.jobs.builders import PNG, WEBP, new_job

Script = Callable[["ScriptedExecutor", Task[Any], int], AsyncIterator[TaskMessage]]


def image(index: int) -> ImageReady:
    return ImageReady(index, 64, 64, 0.1, PNG, WEBP)


class ScriptedExecutor:
    """Runs the next script of its list for each task, the last one for ever."""

    def __init__(self) -> None:
        self.scripts: list[Script] = [make_all]
        self.tasks: list[tuple[Task[Any], int]] = []
        self.cancelled = asyncio.Event()
        self.proceed = asyncio.Event()
        self.closed = asyncio.Event()

    def slots(self) -> Iterable[str]:
        return ("0",)

    async def run(
        self, slot: str, task: Task[Any], attempt: int
    ) -> AsyncGenerator[TaskMessage, None]:
        self.tasks.append((task, attempt))
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        async for message in script(self, task, attempt):
            yield message

    def cancel(self, job_id: str, attempt: int) -> None:
        self.cancelled.set()

    def load(self, model: str) -> None:
        raise AssertionError("the manager loads nothing")

    unload = load

    def listen(self, listener: object) -> None:
        """Nothing to tell."""

    async def close(self) -> None:
        self.closed.set()


async def make_all(
    executor: ScriptedExecutor, task: Task[Any], attempt: int
) -> AsyncIterator[TaskMessage]:
    yield TaskStarted(task.job_id, attempt)
    for index in task.indices:
        yield PhaseChanged("generating", index)
        yield StepDone(index, 4, 4)
        yield image(index)
    yield TaskFinished()


async def make_one_then_die(
    executor: ScriptedExecutor, task: Task[Any], attempt: int
) -> AsyncIterator[TaskMessage]:
    yield TaskStarted(task.job_id, attempt)
    yield image(task.indices[0])
    raise WorkerLost("died", started=True, detail="last words")


async def die(
    executor: ScriptedExecutor, task: Task[Any], attempt: int
) -> AsyncIterator[TaskMessage]:
    yield TaskStarted(task.job_id, attempt)
    raise WorkerLost("died", started=True, detail="last words")


async def never_start(
    executor: ScriptedExecutor, task: Task[Any], attempt: int
) -> AsyncIterator[TaskMessage]:
    raise WorkerLost("no such device", detail="ImportError: torch")
    yield TaskFinished()  # makes this a generator


async def wait_for_cancel(
    executor: ScriptedExecutor, task: Task[Any], attempt: int
) -> AsyncIterator[TaskMessage]:
    yield TaskStarted(task.job_id, attempt)
    yield image(task.indices[0])
    await executor.cancelled.wait()
    yield TaskCancelled()


async def wait_for_close(
    executor: ScriptedExecutor, task: Task[Any], attempt: int
) -> AsyncIterator[TaskMessage]:
    yield TaskStarted(task.job_id, attempt)
    await executor.closed.wait()
    raise WorkerLost("closed", started=True)


async def wait_then_make(
    executor: ScriptedExecutor, task: Task[Any], attempt: int
) -> AsyncIterator[TaskMessage]:
    await executor.proceed.wait()
    async for message in make_all(executor, task, attempt):
        yield message


async def fail(
    executor: ScriptedExecutor, task: Task[Any], attempt: int
) -> AsyncIterator[TaskMessage]:
    yield TaskStarted(task.job_id, attempt)
    yield TaskFailed("generation_failed", "ValueError: no", fault="Generating raised ValueError")


async def forget_an_image(
    executor: ScriptedExecutor, task: Task[Any], attempt: int
) -> AsyncIterator[TaskMessage]:
    yield TaskStarted(task.job_id, attempt)
    yield TaskFinished()


class Bench:
    """A manager with all it needs."""

    def __init__(self, store: JobStore, gallery: Gallery) -> None:
        self.store, self.gallery = store, gallery
        self.plugins: PluginManager = discover(PLUGINS)
        self.executor = ScriptedExecutor()
        self.ended: list[str] = []
        self.manager = JobManager(
            store=store,
            gallery=gallery,
            catalog=ModelCatalog(self.plugins),
            plugins=self.plugins,
            executor=self.executor,
            paused=False,
            job_ended=lambda: self.ended.append("job"),
        )

    def submit(self, num_images: int = 2) -> Job:
        params = {"prompt": "red", "width": 64, "height": 64, "steps": 4, "seed": 7}
        job = self.store.create(new_job(params={**params, "num_images": num_images}))
        self.manager.enqueue(job)
        return job

    async def end(self, job: Job) -> JobSnapshot:
        """The terminal snapshot of a job."""
        with self.manager.feed.subscribe(job.id) as snapshots:
            assert self.manager.feed.current(job.id) is not None
            return [item async for item in snapshots][-1]

    @asynccontextmanager
    async def started(self) -> AsyncIterator[None]:
        await self.manager.start()
        try:
            yield
        finally:
            await self.manager.stop(drain=0.05)


@pytest.fixture
def bench(store: JobStore, gallery: Gallery) -> Bench:
    return Bench(store, gallery)


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


async def test_an_observer_that_hangs_holds_up_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = threading.Event()
    monkeypatch.setattr(bench.plugins, "image_added", lambda image: held.wait())
    jobs = [bench.submit(1) for _ in range(2)]
    async with bench.started():
        assert (await bench.end(jobs[1])).status is JobStatus.COMPLETED
    held.set()


async def test_two_cancels_at_once_both_succeed(bench: Bench) -> None:
    job = bench.submit(1)
    assert await asyncio.gather(*(bench.manager.cancel(job.id) for _ in range(2))) == [True, True]


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
    monkeypatch.setattr("server.jobs.manager.MAX_PAUSE", 0.01)
    bench.executor.scripts = [never_start, never_start, never_start, make_all]
    job, following = bench.submit(1), bench.submit(1)
    async with bench.started():
        last = await bench.end(following)
    failed = bench.store.get(job.id)
    assert (failed.error_code, failed.losses) == ("worker_unavailable", 0)
    assert "ImportError: torch" in (failed.error_message or "")
    assert last.status is JobStatus.COMPLETED


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


async def test_stopping_puts_the_running_job_back_without_a_loss(bench: Bench) -> None:
    bench.executor.scripts = [wait_for_close]
    job = bench.submit(1)
    async with bench.started():
        while bench.manager.running == 0:
            await asyncio.sleep(0.01)
    found = bench.store.get(job.id)
    assert (found.status, found.losses, found.restarts) == (JobStatus.QUEUED, 0, 0)


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
    monkeypatch.setattr("server.jobs.manager.MAX_PAUSE", 0.01)
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


async def test_a_restart_takes_up_what_ran_and_what_waited(bench: Bench) -> None:
    ran = bench.store.begin(bench.submit(1).id)
    waited = bench.submit(1)
    bench.store.recover()
    async with bench.started():
        await bench.end(waited)
    assert bench.store.get(ran.id).attempt == 3  # begun, taken back, begun again
    assert {bench.store.get(job.id).status for job in (ran, waited)} == {JobStatus.COMPLETED}


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
