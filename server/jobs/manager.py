"""The queue: first come, first served, one job per slot, and every accepted job ends."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ParamSpec, TypeVar

from server.catalog import ModelCatalog
from server.errors import (
    DarkroomError,
    DatabaseUnwritable,
    JobFailure,
    PluginFailed,
    StorageFailed,
    WorkerLost,
    WorkerLostTooOften,
    WorkerUnavailable,
)
from server.gallery import Gallery
from server.generation import GenerationParams, Task, recipe
from server.jobs.feed import Bell, JobFeed
from server.jobs.progress import Progress, snapshot_of
from server.jobs.store import JobStore
from server.plugins.manager import PluginManager
from server.plugins.types import Executor, FinishedJob, NewImage
from server.records import ImageRecord, Job, JobStatus, image_filename, image_object, now
from server.snapshots import (
    ImageReady,
    JobSnapshot,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    TaskMessage,
)

log = logging.getLogger(__name__)

#: A job that has lost this many workers after they started it fails.
MAX_LOSSES = 3

#: A worker that ended this many times in a row before it took a job fails that job.
MAX_FALSE_STARTS = 3

#: Longest pause in seconds between two tries of something that keeps failing.
MAX_PAUSE = 30.0

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended. `error` is (code, message); QUEUED means: try again."""

    status: JobStatus
    error: tuple[str, str] | None = None
    lost: bool = False


class Run:
    """A dispatched job: its progress, and what was asked of it meanwhile."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.cancelled = False
        self.storage_error: DarkroomError | None = None
        self.progress: Progress | None = None
        self.task: Task[GenerationParams] | None = None


class JobManager:
    """Runs queued jobs on the executor's slots. Lives on the event loop; disk and plugins are
    called on threads."""

    def __init__(
        self,
        *,
        store: JobStore,
        gallery: Gallery,
        catalog: ModelCatalog,
        plugins: PluginManager,
        executor: Executor,
        paused: bool,
        job_ended: Callable[[], None],
    ) -> None:
        """`job_ended` is called on a thread after every end of a job (retention)."""
        self.feed = JobFeed()
        self.new_image = Bell()
        self._store = store
        self._gallery = gallery
        self._catalog = catalog
        self._plugins = plugins
        self._executor = executor
        self._job_ended = job_ended
        self._paused = paused
        self._stopping = False
        self._waiting: dict[str, Job] = {}
        self._running: dict[str, Run] = {}
        self._wake = asyncio.Event()
        self._workers: list[asyncio.Task[None]] = []
        self._false_starts = 0

    # --- the queue -------------------------------------------------------------------------

    @property
    def paused(self) -> bool:
        """Whether waiting jobs stay waiting."""
        return self._paused

    @property
    def waiting(self) -> int:
        """How many jobs wait."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """How many jobs run."""
        return len(self._running)

    async def start(self) -> None:
        """Take up the jobs that the database remembers, and run them."""
        await asyncio.to_thread(self._store.recover)
        await asyncio.to_thread(self._gallery.sweep)
        for job in await asyncio.to_thread(self._store.waiting):
            self._waiting[job.id] = job
        self._publish_positions()
        self._workers = [
            asyncio.create_task(self._work(slot), name=f"slot {slot}")
            for slot in self._executor.slots()
        ]
        self._wake.set()

    async def stop(self, drain: float) -> None:
        """Give running jobs `drain` seconds to end, put the others back, end the workers."""
        self._stopping = True
        self._wake.set()
        self.feed.close()
        self.new_image.close()
        if self._workers:
            await asyncio.wait(self._workers, timeout=drain)
        await self._executor.close()
        if self._workers:
            _, left = await asyncio.wait(self._workers, timeout=3)
            for task in left:
                task.cancel()
            await asyncio.gather(*self._workers, return_exceptions=True)

    def pause(self) -> None:
        """Let what runs end and start nothing more."""
        self._paused = True

    def resume(self) -> None:
        """Run waiting jobs again."""
        self._paused = False
        self._wake.set()

    def enqueue(self, job: Job) -> JobSnapshot:
        """Queue a job that is in the database; the newest comes last."""
        self._waiting[job.id] = job
        snapshot = replace(snapshot_of(job), seq=job.seq + 1, queue_position=len(self._waiting))
        self.feed.publish(snapshot)
        self._wake.set()
        return snapshot

    async def cancel(self, job_id: str) -> bool:
        """Cancel a live job; a running one ends within a step. False when it is not live."""
        if (job := self._waiting.pop(job_id, None)) is not None:
            seq = self._next_seq(job)
            await self._end(job, Outcome(JobStatus.CANCELLED), seq)
            self._publish_positions()
            return True
        if (run := self._running.get(job_id)) is not None:
            run.cancelled = True
            self._executor.cancel(job_id, run.job.attempt)
            return True
        return False

    # --- running ---------------------------------------------------------------------------

    async def _work(self, slot: str) -> None:
        """Run one job after the other on a slot."""
        while (job := await self._next()) is not None:
            run = Run(job)
            self._running[job.id] = run
            try:
                await self._attempt(slot, run)
            except Exception:
                # The slot goes on; this job stands in the database and is taken up at the next
                # start.
                log.exception("job %s is left to the next start", job.id)
            finally:
                del self._running[job.id]

    async def _next(self) -> Job | None:
        """The oldest waiting job as soon as there is one; None when the server stops."""
        while not self._stopping:
            if self._waiting and not self._paused:
                job = self._waiting.pop(next(iter(self._waiting)))
                self._publish_positions()
                return job
            self._wake.clear()
            await self._wake.wait()
        return None

    async def _attempt(self, slot: str, run: Run) -> None:
        run.job = job = await self._persist(self._store.begin, run.job.id)
        found = await asyncio.to_thread(self._gallery.of_jobs, [job.id])
        run.progress = Progress(job, found.get(job.id, ()))
        self.feed.publish(run.progress.change())
        try:
            outcome = await self._outcome(slot, run)
        except Exception as error:
            # Whatever we did not think of fails this job and no other.
            log.exception("job %s failed in an unforeseen way", job.id)
            outcome = Outcome(JobStatus.FAILED, ("internal_error", f"Internal error: {error!r}"))
        seq = run.progress.current.seq + 1
        if outcome.status is JobStatus.QUEUED:
            await self._requeue(run.job, outcome, seq)
        else:
            await self._end(run.job, outcome, seq)

    async def _outcome(self, slot: str, run: Run) -> Outcome:
        if run.cancelled:
            return Outcome(JobStatus.CANCELLED)
        try:
            run.task = task = self._catalog.task(run.job)
            if not task.indices:
                return Outcome(JobStatus.COMPLETED)
            last: TaskMessage | None = None
            async for message in self._executor.run(slot, task, run.job.attempt):
                last = message
                await self._handle(run, message)
            return self._verdict(run, last)
        except WorkerLost as lost:
            return await self._verdict_of_loss(run, lost)
        except JobFailure as failure:
            return Outcome(JobStatus.FAILED, (failure.code, failure.message))

    async def _handle(self, run: Run, message: TaskMessage) -> None:
        self._false_starts = 0
        assert run.progress is not None
        if isinstance(message, ImageReady):
            await self._store_image(run, message)
        if isinstance(message, TaskFailed) and message.fault is not None:
            self._plugins.fault(self._plugins.provider(run.job.family), message.fault)
        snapshot = run.progress.advance(message, time.monotonic())
        if snapshot is not None:
            self.feed.publish(snapshot)

    def _verdict(self, run: Run, last: TaskMessage | None) -> Outcome:
        if run.storage_error is not None:
            return Outcome(JobStatus.FAILED, (StorageFailed.code, run.storage_error.message))
        match last:
            case TaskFailed(code, message):
                return Outcome(JobStatus.FAILED, (code, message))
            case TaskCancelled() if run.cancelled:
                return Outcome(JobStatus.CANCELLED)
            case TaskFinished() if not run.job.missing:
                return Outcome(JobStatus.COMPLETED)
            case _:
                text = f"The worker ended the job with images {list(run.job.missing)} missing."
                return Outcome(JobStatus.FAILED, (PluginFailed.code, text))

    async def _verdict_of_loss(self, run: Run, lost: WorkerLost) -> Outcome:
        if run.cancelled:
            return Outcome(JobStatus.CANCELLED)
        if self._stopping:
            return Outcome(JobStatus.QUEUED)
        log.warning("job %s lost its worker: %s", run.job.id, lost)
        if not lost.started:
            return await self._false_start(lost)
        if run.job.losses + 1 < MAX_LOSSES:
            return Outcome(JobStatus.QUEUED, lost=True)
        text = f"{WorkerLostTooOften.title}. {lost.detail}".strip()
        return Outcome(JobStatus.FAILED, (WorkerLostTooOften.code, text), lost=True)

    async def _false_start(self, lost: WorkerLost) -> Outcome:
        """The worker ended before it took the job: that is not the job's fault, at first."""
        self._false_starts += 1
        if self._false_starts < MAX_FALSE_STARTS:
            await asyncio.sleep(min(2.0 ** (self._false_starts - 1), MAX_PAUSE))
            return Outcome(JobStatus.QUEUED)
        self._false_starts = 0
        text = f"{lost.message} `darkroom doctor` looks for the cause. {lost.detail}".strip()
        return Outcome(JobStatus.FAILED, (WorkerUnavailable.code, text))

    async def _store_image(self, run: Run, message: ImageReady) -> None:
        """Put an image into the gallery; when that fails, so does the job, at once."""
        assert run.progress is not None
        assert run.task is not None
        if run.storage_error is not None:
            return
        record = _image_record(run.job, run.task, message)
        try:
            row_id = await asyncio.to_thread(
                self._gallery.add, record, run.job.attempt, message.png, message.thumbnail
            )
        except (StorageFailed, DatabaseUnwritable) as error:
            run.storage_error = error
            self._executor.cancel(run.job.id, run.job.attempt)
            return
        run.job = replace(run.job, images_done=run.job.images_done | {record.index})
        if row_id is None:
            return
        record = replace(record, id=row_id)
        self.feed.publish(run.progress.image(record))
        self.new_image.ring()
        await asyncio.to_thread(self._plugins.image_added, self._new_image(record))

    def _new_image(self, record: ImageRecord) -> NewImage:
        path = self._gallery.image_path(record.filename)
        return NewImage(record.filename, path, image_object(record))

    # --- ends ------------------------------------------------------------------------------

    async def _requeue(self, job: Job, outcome: Outcome, seq: int) -> None:
        job = await self._persist(self._store.requeue, job.id, seq=seq, lost=outcome.lost)
        self.feed.publish(snapshot_of(job))
        self._waiting[job.id] = job
        self._waiting = dict(sorted(self._waiting.items(), key=lambda item: item[1].number))
        self._publish_positions()

    async def _end(self, job: Job, outcome: Outcome, seq: int) -> None:
        job = await self._persist(
            self._store.finish, job.id, outcome.status, seq=seq, error=outcome.error
        )
        found = await asyncio.to_thread(self._gallery.of_jobs, [job.id])
        snapshot = snapshot_of(job, found.get(job.id, ()))
        self.feed.publish(snapshot)
        finished = FinishedJob(job.id, job.status.value, job.model, snapshot.as_dict())
        await asyncio.to_thread(self._plugins.job_finished, finished)
        await asyncio.to_thread(self._job_ended)

    async def _persist(self, change: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Make a change of a job's life durable, however long the disk stays full."""
        pause = 1.0
        while True:
            try:
                return await asyncio.to_thread(change, *args, **kwargs)
            except DatabaseUnwritable as error:
                log.warning("%s Trying again in %.0f s.", error, pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, MAX_PAUSE)

    def _publish_positions(self) -> None:
        """Tell waiting jobs their positions, 1 for the next to run, where they changed."""
        for position, job in enumerate(self._waiting.values(), start=1):
            current = self.feed.current(job.id)
            if current is None:
                current = snapshot_of(job)
            if current.queue_position != position:
                self.feed.publish(replace(current, seq=current.seq + 1, queue_position=position))

    def _next_seq(self, job: Job) -> int:
        current = self.feed.current(job.id)
        return (current.seq if current is not None else job.seq) + 1


def _image_record(job: Job, task: Task[GenerationParams], message: ImageReady) -> ImageRecord:
    return ImageRecord(
        filename=image_filename(job.id, message.image_index),
        job_id=job.id,
        index=message.image_index,
        model=job.model,
        family=job.family,
        width=message.width,
        height=message.height,
        recipe=recipe(task, message.image_index),
        created_at=now(),
        seconds=round(message.seconds, 3),
        size=len(message.png),
    )
