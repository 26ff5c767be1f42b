"""The queue: first come, first served, one job per slot, and every accepted job ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from server.catalog import ModelCatalog
from server.errors import (
    DarkroomError,
    DatabaseUnavailable,
    JobFailure,
    StorageFailed,
    WorkerLost,
    WorkerLostTooOften,
    WorkerUnavailable,
)
from server.gallery import Gallery
from server.generation import GenerationParams, Task
from server.inputs import InputImages
from server.jobs.attempt import Attempt, Outcome
from server.jobs.feed import Bell, JobFeed
from server.jobs.fetches import Fetched, Fetches
from server.jobs.observers import Observers
from server.jobs.progress import snapshot_of
from server.jobs.store import JobStore
from server.plugins.manager import PluginManager
from server.plugins.types import Executor, FinishedJob, NewImage
from server.records import ImageRecord, Job, JobStatus, image_object
from server.snapshots import (
    JobSnapshot,
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
class QueueState:
    """The queue in numbers. `completed`, `failed` and `cancelled` count the kept history."""

    paused: bool
    pending: int
    running: int
    completed: int
    failed: int
    cancelled: int


class JobManager:
    """Runs queued jobs on the executor's slots. Lives on the event loop; disk and plugins are
    called on threads."""

    def __init__(
        self,
        *,
        store: JobStore,
        gallery: Gallery,
        inputs: InputImages,
        catalog: ModelCatalog,
        plugins: PluginManager,
        executor: Executor,
        paused: bool,
        job_ended: Callable[[], None],
        model_fetched: Callable[[str], None],
    ) -> None:
        """
        Args:
            job_ended: called on a thread after every end of a job, to trim what is kept.
            model_fetched: called with a model's id when its files were downloaded.
        """
        self.feed = JobFeed()
        self.new_image = Bell()
        self._store = store
        self._gallery = gallery
        self._inputs = inputs
        self._catalog = catalog
        self._plugins = plugins
        self._observers = Observers(plugins)
        self._executor = executor
        self._job_ended = job_ended
        self._model_fetched = model_fetched
        self._paused = paused
        self._stopping = False
        self._waiting: dict[str, Job] = {}
        self._running: dict[str, Attempt] = {}
        self._ending: set[str] = set()
        self._wake = asyncio.Event()
        self._workers: list[asyncio.Task[None]] = []
        self._drops: set[asyncio.Task[None]] = set()
        self._false_starts = 0
        self._fetches = Fetches(catalog, self._report_fetch, self._fetched)

    # --- the queue -------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """How many jobs wait."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """How many jobs run."""
        return len(self._running)

    async def state(self) -> QueueState:
        """The queue in numbers."""
        counts = await asyncio.to_thread(self._store.counts)
        return QueueState(
            paused=self._paused,
            pending=len(self._waiting),
            running=len(self._running),
            completed=counts[JobStatus.COMPLETED],
            failed=counts[JobStatus.FAILED],
            cancelled=counts[JobStatus.CANCELLED],
        )

    async def start(self) -> None:
        """Take up the jobs that wait in the database, and run them."""
        jobs = await asyncio.to_thread(self._store.waiting)
        if jobs:
            log.info("%d unfinished jobs are taken up again", len(jobs))
        begun = [job.id for job in jobs if job.images_done]
        images = await asyncio.to_thread(self._gallery.of_jobs, begun)
        for position, job in enumerate(jobs, start=1):
            self._waiting[job.id] = job
            shown = snapshot_of(job, images.get(job.id, ()))
            self.feed.publish(replace(shown, seq=job.seq + 1, queue_position=position))
        for model in {job.model for job in jobs}:
            await self.provide(model)
        self._workers = [
            asyncio.create_task(self._work(slot), name=f"slot {slot}")
            for slot in self._executor.slots()
        ]
        self._wake.set()

    def fetches(self, model: str) -> bool:
        """Whether a model's files are being downloaded."""
        return model in self._fetches

    async def provide(self, model: str) -> bool:
        """Begin to download a model's files if they are missing; whether that was necessary."""
        must_fetch = await asyncio.to_thread(self._catalog.must_fetch, model)
        if must_fetch and not self._stopping:
            self._fetches.begin(model)
        return must_fetch

    async def stop(self, drain: float) -> None:
        """Give running jobs `drain` seconds to end, put the others back, end the workers."""
        self._stopping = True
        self._wake.set()
        await self._fetches.close()
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
        await asyncio.to_thread(self._observers.close)

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
            self._publish_positions()
            if not any(other.model == job.model for other in self._waiting.values()):
                self._fetches.stop(job.model)  # what is there stays for the next time
            self._ending.add(job_id)
            try:
                await self._end(job, Outcome(JobStatus.CANCELLED), self._next_seq(job))
            finally:
                self._ending.discard(job_id)
            return True
        if (attempt := self._running.get(job_id)) is not None:
            attempt.cancel()
            return True
        return job_id in self._ending

    # --- running ---------------------------------------------------------------------------

    async def _work(self, slot: str) -> None:
        """Run one job after the other on a slot."""
        while (job := await self._next()) is not None:
            attempt = self._running[job.id] = self._new_attempt(job)
            try:
                await self._run(slot, attempt)
            except Exception:
                # The slot goes on. The database may still have the job as running: then the next
                # start takes it up. Those who watch are not left waiting.
                log.exception("job %s ended in an unforeseen way", job.id)
                self._give_up_on(job.id)
            finally:
                self._running.pop(job.id, None)

    def _give_up_on(self, job_id: str) -> None:
        current = self.feed.current(job_id)
        if current is not None:
            error = {"code": DarkroomError.code, "message": "Internal error: see the server's log."}
            failed = replace(current, seq=current.seq + 1, status=JobStatus.FAILED, error=error)
            self.feed.publish(failed)

    def _new_attempt(self, job: Job) -> Attempt:
        return Attempt(
            job,
            store=self._store,
            gallery=self._gallery,
            plugins=self._plugins,
            executor=self._executor,
            publish=self.feed.publish,
            image_added=self._image_added,
        )

    def _image_added(self, record: ImageRecord) -> None:
        self.new_image.ring()
        path = self._gallery.path_of(record)
        self._observers.image_added(NewImage(record.filename, path, image_object(record)))

    async def _next(self) -> Job | None:
        """The oldest waiting job whose model is here, as soon as there is one; None when the
        server stops."""
        while not self._stopping:
            ready = (job for job in self._waiting.values() if job.model not in self._fetches)
            if not self._paused and (job := next(ready, None)) is not None:
                del self._waiting[job.id]
                self._publish_positions()
                return job
            self._wake.clear()
            await self._wake.wait()
        return None

    async def _run(self, slot: str, attempt: Attempt) -> None:
        await attempt.begin(await self._persist(self._store.begin, attempt.job.id))
        outcome = await self._outcome(slot, attempt)
        if outcome.status is JobStatus.QUEUED:
            await self._requeue(attempt.job, outcome, attempt.next_seq)
            if attempt.cancelled:  # while it was put back
                await self.cancel(attempt.job.id)
        else:
            await self._end(attempt.job, outcome, attempt.next_seq)

    async def _outcome(self, slot: str, attempt: Attempt) -> Outcome:
        try:
            outcome = await attempt.run(slot, self._task(attempt.job))
            self._false_starts = 0
            return outcome
        except WorkerLost as lost:
            return await self._verdict_of_loss(attempt, lost)
        except JobFailure as failure:
            return Outcome(JobStatus.FAILED, (failure.code, failure.message))
        except Exception as error:
            # Whatever we did not think of fails this job and no other.
            log.exception("job %s failed in an unforeseen way", attempt.job.id)
            return Outcome(JobStatus.FAILED, (DarkroomError.code, f"Internal error: {error!r}"))

    def _task(self, job: Job) -> Task[GenerationParams]:
        task = self._catalog.task(job)
        return replace(task, inputs=tuple(map(self._input, task.params.image_sources)))

    def _input(self, name: str) -> Path:
        path = self._inputs.path(name)
        if path is None:
            raise StorageFailed(f"The given image {name} is not there any more.")
        return path

    async def _verdict_of_loss(self, attempt: Attempt, lost: WorkerLost) -> Outcome:
        if attempt.cancelled:
            return Outcome(JobStatus.CANCELLED)
        if self._stopping:
            return Outcome(JobStatus.QUEUED)
        log.warning("job %s lost its worker: %s", attempt.job.id, lost)
        if not lost.started:
            return await self._false_start(lost)
        self._false_starts = 0
        if attempt.job.losses + 1 < MAX_LOSSES:
            return Outcome(JobStatus.QUEUED, lost=True)
        text = f"{WorkerLostTooOften.title}. {lost.detail}".strip()
        return Outcome(JobStatus.FAILED, (WorkerLostTooOften.code, text))

    async def _false_start(self, lost: WorkerLost) -> Outcome:
        """The worker ended before it took the job: that is not the job's fault, at first."""
        self._false_starts += 1
        if self._false_starts < MAX_FALSE_STARTS:
            await asyncio.sleep(min(2.0 ** (self._false_starts - 1), MAX_PAUSE))
            return Outcome(JobStatus.QUEUED)
        self._false_starts = 0
        text = f"{lost.message} `darkroom doctor` looks for the cause. {lost.detail}".strip()
        return Outcome(JobStatus.FAILED, (WorkerUnavailable.code, text))

    # --- ends ------------------------------------------------------------------------------

    async def _requeue(self, job: Job, outcome: Outcome, seq: int) -> None:
        job = await self._persist(self._store.requeue, job.id, seq=seq, lost=outcome.lost)
        self.feed.publish(self._at_rest(job))
        self._waiting[job.id] = job
        self._waiting = dict(sorted(self._waiting.items(), key=lambda item: item[1].number))
        self._publish_positions()

    async def _end(self, job: Job, outcome: Outcome, seq: int) -> None:
        current = self.feed.current(job.id)
        job = await self._persist(
            self._store.finish,
            job.id,
            outcome.status,
            seq=seq,
            progress=0.0 if current is None else current.progress,
            error=outcome.error,
        )
        log.info("job %s %s %s", job.id, job.status.value, job.error_code or "")
        snapshot = self._at_rest(job)
        # In one go: a cancel finds the job either running or ended.
        self._running.pop(job.id, None)
        self.feed.publish(snapshot)
        finished = FinishedJob(job.id, job.status.value, job.model, snapshot.as_dict())
        self._observers.job_finished(finished)
        try:
            await asyncio.to_thread(self._job_ended)
        except (OSError, DarkroomError):
            log.exception("what is kept could not be trimmed")

    def _at_rest(self, job: Job) -> JobSnapshot:
        """A job that does not run any more, with the images and the progress it had shown."""
        shown, current = snapshot_of(job), self.feed.current(job.id)
        if current is None:
            return shown
        progress = max(shown.progress, current.progress)
        return replace(shown, images=current.images, progress=progress)

    # --- downloads -------------------------------------------------------------------------

    def _report_fetch(self, model: str, fetched: Fetched) -> None:
        for job in self._waiting.values():
            if job.model == model:
                self._publish_change(job, phase="downloading", download=asdict(fetched))

    def _fetched(self, model: str, failure: JobFailure | None) -> None:
        held = [job for job in self._waiting.values() if job.model == model]
        for job in held:
            self._publish_change(job, phase=None, download=None)
        self._wake.set()
        if failure is None:
            self._model_fetched(model)
        else:
            outcome = Outcome(JobStatus.FAILED, (failure.code, failure.message))
            for job in held:
                self._drop(job, outcome)

    def _drop(self, job: Job, outcome: Outcome) -> None:
        """End a job that waits, in the background."""
        self._waiting.pop(job.id, None)
        self._ending.add(job.id)
        task = asyncio.create_task(self._end(job, outcome, self._next_seq(job)))
        self._drops.add(task)
        task.add_done_callback(lambda done: self._dropped(job.id, done))

    def _dropped(self, job_id: str, task: asyncio.Task[None]) -> None:
        self._drops.discard(task)
        self._ending.discard(job_id)

    def _publish_change(self, job: Job, **values: Any) -> None:
        current = self.feed.current(job.id) or snapshot_of(job)
        self.feed.publish(replace(current, seq=current.seq + 1, **values))

    # --- the database ----------------------------------------------------------------------

    async def _persist(self, change: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Make a change of a job's life durable, however long the disk stays full."""
        pause = 1.0
        while True:
            try:
                return await asyncio.to_thread(change, *args, **kwargs)
            except DatabaseUnavailable as error:
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
