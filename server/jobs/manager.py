"""The queue: first come, first served, one job per slot, and every accepted job ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from server.catalog import ModelCatalog
from server.errors import (
    DarkroomError,
    JobFailure,
    WorkerLost,
)
from server.gallery import Gallery
from server.inputs import InputImages
from server.jobs import stalled
from server.jobs.attempt import Attempt, Outcome
from server.jobs.downloads import Downloads
from server.jobs.feed import Bell, JobFeed
from server.jobs.lora_downloads import AddsLoras, LoraDownloads
from server.jobs.losses import Losses
from server.jobs.observers import Observers
from server.jobs.orders import LoraPath, Orders
from server.jobs.persisting import persist
from server.jobs.progress import snapshot_of
from server.jobs.store import JobStore
from server.jobs.waiting import Waiting
from server.plugins.manager import PluginManager
from server.plugins.types import Executor, FinishedJob, NewImage
from server.records import ImageRecord, Job, JobKind, JobStatus, image_object
from server.snapshots import JobSnapshot

log = logging.getLogger(__name__)

#: Seconds that what is left may take when the server stops.
ENDING = 3.0


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
        lora_path: LoraPath,
        may_run: Callable[[str, int], bool],
        adder: AddsLoras,
        paused: bool,
        job_ended: Callable[[], None],
        model_fetched: Callable[[str, JobFailure | None], None],
    ) -> None:
        """
        Args:
            lora_path: see `LoraPath`.
            may_run: whether another job of a client may run beside so many.
            adder: brings the LoRAs that jobs ask for.
            job_ended: called on a thread after every end of a job, to trim what is kept.
            model_fetched: called with a model's id when its download has ended, and why it
                failed, if it did.
        """
        self.feed = JobFeed()
        self._waiting = Waiting(self.feed)
        self.downloads = Downloads(catalog, self._waiting, self._fetched)
        self.lora_downloads = LoraDownloads(store, self.feed, adder, self._end)
        self.new_image = Bell()
        self._store = store
        self._gallery = gallery
        self._plugins = plugins
        self._observers = Observers(plugins)
        self._executor = executor
        self._orders = Orders(catalog, inputs, lora_path)
        self._may_run = may_run
        self._job_ended = job_ended
        self._model_fetched = model_fetched
        self._paused = paused
        self._stopping = False
        self._running: dict[str, Attempt] = {}
        self._ending: set[str] = set()
        self._resetting = asyncio.Lock()
        self._wake = asyncio.Event()
        self._workers: list[asyncio.Task[None]] = []
        self._drops: set[asyncio.Task[None]] = set()
        self._losses = Losses()

    # --- the queue -------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """How many jobs wait."""
        return len(self._waiting)

    def waits(self, job_id: str) -> bool:
        """Whether this job waits."""
        return job_id in self._waiting

    def waiting_of(self, client: str) -> int:
        """How many jobs of this client wait."""
        return sum(job.origin.client == client for job in self._waiting)

    @property
    def running(self) -> int:
        """How many jobs run."""
        return len(self._running)

    async def state(self) -> QueueState:
        """The queue in numbers."""
        # All from one look at the table: a job that has just ended is still among those that run.
        counts = await asyncio.to_thread(self._store.counts)
        return QueueState(
            paused=self._paused,
            pending=counts[JobStatus.QUEUED],
            running=counts[JobStatus.PROCESSING],
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
        for job in jobs:
            if job.kind is JobKind.DOWNLOAD:
                self.lora_downloads.begin(job)
            else:
                self._waiting.add(job, images.get(job.id, ()))
        await self.downloads.begin_missing(dict.fromkeys(job.model for job in self._waiting))
        self._workers = [
            asyncio.create_task(self._work(slot), name=f"slot {slot}")
            for slot in self._executor.slots()
        ]
        self._wake.set()

    async def stop(self, drain: float) -> None:
        """Give running jobs `drain` seconds to end, put the others back, end the workers."""
        self._stopping = True
        self._wake.set()
        await self.downloads.close()
        await self.lora_downloads.close()
        self.feed.close()
        self.new_image.close()
        if self._workers:
            await asyncio.wait(self._workers, timeout=drain)
        await self._executor.close()
        await _let_end([*self._workers, *self._drops], ENDING)
        await asyncio.to_thread(self._observers.close)

    def pause(self) -> None:
        """Let what runs end and start nothing more."""
        self._paused = True

    def resume(self) -> None:
        """Run waiting jobs again."""
        self._paused = False
        self._wake.set()

    def enqueue(self, job: Job, *, download: bool = False) -> JobSnapshot:
        """Queue a job that is in the database; the newest comes last.

        Args:
            job: the job.
            download: whether its model must be downloaded first.
        """
        if download:
            self.downloads.begin(job.model)
        snapshot = self._waiting.add(job, **self.downloads.shown(job.model))
        self._wake.set()
        return snapshot

    async def cancel(self, job_id: str) -> bool:
        """Cancel a live job; a running one ends within a step. False when it is not live."""
        if self.lora_downloads.cancel(job_id):
            return True
        if (job := self._waiting.take(job_id)) is not None:
            self.downloads.release(job.model)
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

    async def requeue_stalled(self) -> int:
        """Queue jobs again that the database has as running and nobody runs; how many."""
        async with self._resetting:  # a second one would see what the first has half done
            count = await stalled.requeue(self._store, self._waiting, self._holds)
        self._wake.set()
        return count

    def _holds(self, job_id: str) -> bool:
        return any(job_id in jobs for jobs in (self._waiting, self._running, self._ending))

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
            if not self._paused and (job := self._waiting.take_first(self._is_ready)) is not None:
                return job
            self._wake.clear()
            await self._wake.wait()
        return None

    def _is_ready(self, job: Job) -> bool:
        if job.model in self.downloads:
            return False
        client = job.origin.client
        beside = sum(each.job.origin.client == client for each in self._running.values())
        return beside == 0 or self._may_run(client, beside)

    async def _run(self, slot: str, attempt: Attempt) -> None:
        await attempt.begin(await persist(self._store.begin, attempt.job.id))
        outcome = await self._outcome(slot, attempt)
        if outcome.status is JobStatus.QUEUED:
            await self._requeue(attempt.job, outcome, attempt.next_seq)
            if attempt.cancelled:  # while it was put back
                await self.cancel(attempt.job.id)
        else:
            await self._end(attempt.job, outcome, attempt.next_seq)

    async def _outcome(self, slot: str, attempt: Attempt) -> Outcome:
        try:
            outcome = await attempt.run(slot, await self._orders.task(attempt.job))
            self._losses.none()
            return outcome
        except WorkerLost as lost:
            if self._stopping and not attempt.cancelled:
                return Outcome(JobStatus.QUEUED)
            return await self._losses.verdict(attempt, lost)
        except JobFailure as failure:
            return Outcome(JobStatus.FAILED, (failure.code, failure.message))
        except Exception as error:
            # Whatever we did not think of fails this job and no other.
            log.exception("job %s failed in an unforeseen way", attempt.job.id)
            return Outcome(JobStatus.FAILED, (DarkroomError.code, f"Internal error: {error!r}"))

    # --- ends ------------------------------------------------------------------------------

    async def _requeue(self, job: Job, outcome: Outcome, seq: int) -> None:
        job = await persist(self._store.requeue, job.id, seq=seq, lost=outcome.lost)
        self.feed.publish(self._at_rest(job))
        self._waiting.put_back(job)

    async def _end(self, job: Job, outcome: Outcome, seq: int) -> None:
        current = self.feed.current(job.id)
        job = await persist(
            self._store.finish,
            job.id,
            outcome.status,
            seq=seq,
            progress=0.0 if current is None else current.progress,
            error=outcome.error,
            params=outcome.params,
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

    def _fetched(self, model: str, failure: JobFailure | None) -> None:
        """A download has ended: the jobs that wait for it can run, or end with it."""
        if failure is not None:
            outcome = Outcome(JobStatus.FAILED, (failure.code, failure.message))
            for job in self._waiting.of(model):
                self._drop(job, outcome)
        self._wake.set()
        self._model_fetched(model, failure)

    def _drop(self, job: Job, outcome: Outcome) -> None:
        """End a job that waits, in the background."""
        self._waiting.take(job.id)
        self._ending.add(job.id)
        task = asyncio.create_task(self._end(job, outcome, self._next_seq(job)))
        self._drops.add(task)
        task.add_done_callback(lambda done: self._dropped(job.id, done))

    def _dropped(self, job_id: str, task: asyncio.Task[None]) -> None:
        self._drops.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("job %s ended in an unforeseen way", job_id, exc_info=error)
            self._give_up_on(job_id)
        self._ending.discard(job_id)

    def _next_seq(self, job: Job) -> int:
        current = self.feed.current(job.id)
        return (current.seq if current is not None else job.seq) + 1


async def _let_end(tasks: Collection[asyncio.Task[None]], seconds: float) -> None:
    """Wait for tasks that are about to end, and cancel those that do not."""
    if not tasks:
        return
    _, left = await asyncio.wait(tasks, timeout=seconds)
    for task in left:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
