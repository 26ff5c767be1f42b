"""Jobs that bring LoRAs to this machine: they take no slot, and no pause of the queue is theirs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, replace
from typing import Any, Protocol

from server.errors import DarkroomError, JobNotFound, QueueFull, ShuttingDown
from server.jobs.attempt import Outcome
from server.jobs.feed import JobFeed
from server.jobs.fetches import Fetched, Reporter, failure_of
from server.jobs.persisting import persist
from server.jobs.progress import snapshot_of
from server.jobs.store import JobStore
from server.loras.adding import Added
from server.loras.references import LoraReference, canonical, name_of, read
from server.records import Job, JobKind, JobStatus, new_job_id, now
from server.snapshots import JobSnapshot
from server.sources.progress import Listener

log = logging.getLogger(__name__)

#: LoRAs that are downloaded at a time.
PARALLEL = 2

#: Downloads that may wait for their turn.
MOST = 1000


class AddsLoras(Protocol):
    """`server.loras.adding.LoraAdder`, as far as jobs need it."""

    async def add(self, reference: LoraReference, progress: Listener) -> Added:
        """Bring a LoRA here, unless it is.

        Raises:
            SourceFailed: one of its kinds.
        """

    def sweep(self) -> None:
        """Remove what nobody went on with for long. Blocks."""


class LoraDownloads:
    """Runs them, the oldest first. Lives on the event loop."""

    def __init__(
        self,
        store: JobStore,
        feed: JobFeed,
        adder: AddsLoras,
        end: Callable[[Job, Outcome, int], Awaitable[None]],
    ) -> None:
        """
        Args:
            store: keeps the jobs.
            feed: is told every change.
            adder: does the work.
            end: ends a job: its outcome, and the number of its last revision.
        """
        self._store = store
        self._feed = feed
        self._adder = adder
        self._end = end
        self._live: dict[str, Job] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._cancelled: set[str] = set()
        self._ending: set[str] = set()
        self._gate = asyncio.Semaphore(PARALLEL)
        self._submitting = asyncio.Lock()
        self._closed = False
        self._wanting: asyncio.Task[None] | None = None

    async def submit(self, reference: LoraReference) -> JobSnapshot:
        """A job for a reference: a new one, which is on the disk then, or the one that is at it.

        Raises:
            QueueFull, ShuttingDown
        """
        # A client that goes away must not leave a job in the database that nobody runs.
        return await asyncio.shield(self._submit(canonical(reference)))

    def want(self, look: Callable[[], Awaitable[Sequence[LoraReference]]]) -> None:
        """Bring LoRAs in the background: those that `look` names when it is called."""
        self._wanting = asyncio.create_task(self._want(look), name="configured LoRAs")

    def begin(self, job: Job) -> JobSnapshot:
        """Take up a job that waits in the database."""
        shown = replace(snapshot_of(job), seq=job.seq + 1)
        self._live[job.id] = job
        self._feed.publish(shown)
        task = asyncio.create_task(self._run(job), name=f"job {job.id}")
        self._tasks[job.id] = task
        task.add_done_callback(lambda done: self._gone(job.id, done))
        return shown

    def cancel(self, job_id: str) -> bool:
        """Cancel a live job; what is there of the file stays for a while. False: it is none of
        these."""
        task = self._tasks.get(job_id)
        if task is None or self._feed.current(job_id) is None:  # its end was told already
            return False
        if job_id not in self._cancelled | self._ending:
            self._cancelled.add(job_id)
            task.cancel()
        return True

    async def close(self) -> None:
        """Leave all where they are; the next start takes them up."""
        self._closed = True
        if self._wanting is not None:
            self._wanting.cancel()
            await asyncio.gather(self._wanting, return_exceptions=True)
        tasks = dict(self._tasks)
        for job_id in tasks.keys() - self._ending:
            tasks[job_id].cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)

    # --- inside ----------------------------------------------------------------------------

    async def _want(self, look: Callable[[], Awaitable[Sequence[LoraReference]]]) -> None:
        try:
            await asyncio.to_thread(self._adder.sweep)
            for reference in await look():
                await self.submit(reference)
        except DarkroomError as error:
            log.warning("LoRAs of the configuration are not downloaded: %s", error)

    async def _submit(self, ref: str) -> JobSnapshot:
        async with self._submitting:
            if self._closed:
                raise ShuttingDown("The server is stopping. Send the request again later.")
            for job in self._live.values():
                current = self._feed.current(job.id)
                same = job.params["ref"] == ref and job.id not in self._cancelled
                if same and current is not None:
                    return current
            if len(self._live) >= MOST:
                raise QueueFull(f"{MOST} downloads wait already. Try again later.")
            return self.begin(await asyncio.to_thread(self._store.create, _new_job(ref)))

    async def _run(self, job: Job) -> None:
        try:
            async with self._gate:
                outcome = await self._work(job)
        except asyncio.CancelledError:
            if job.id not in self._cancelled:
                await self._put_back(job)
                raise
            outcome = Outcome(JobStatus.CANCELLED)
        self._ending.add(job.id)
        # An address may hold a key, which nobody needs any more.
        kept = {"ref": name_of(read(job.params["ref"])), **(outcome.params or {})}
        await self._end(job, replace(outcome, params=kept), self._next_seq(job))

    async def _work(self, job: Job) -> Outcome:
        await persist(self._store.begin, job.id)
        job = await persist(self._store.start, job.id)
        self._feed.publish(replace(snapshot_of(job), **_downloading(Fetched())))
        reporter = Reporter(lambda fetched: self._show(job.id, fetched))
        found: dict[str, str] = {}
        try:
            failure = await failure_of(self._add(job, reporter, found), "The LoRA")
        finally:
            reporter.close()
        if failure is None:
            return Outcome(JobStatus.COMPLETED, params=found)
        log.warning("job %s: %s", job.id, failure)
        return Outcome(JobStatus.FAILED, (failure.code, failure.message))

    async def _add(self, job: Job, listener: Listener, found: dict[str, str]) -> None:
        """Bring the LoRA, and note in `found` what came of it."""
        added = await self._adder.add(read(job.params["ref"]), listener)
        for note in added.notes:
            await persist(self._store.warn, job.id, note)
        found["lora"] = added.record.id

    def _show(self, job_id: str, fetched: Fetched) -> None:
        current = self._feed.current(job_id)
        if current is None or current.status is not JobStatus.PROCESSING:
            return
        share = fetched.bytes / fetched.total_bytes if fetched.total_bytes else 0.0
        progress = max(current.progress, min(share, 1.0))
        values = _downloading(fetched)
        self._feed.publish(replace(current, seq=current.seq + 1, progress=progress, **values))

    async def _put_back(self, job: Job) -> None:
        with contextlib.suppress(JobNotFound):  # it had not begun
            seq = self._next_seq(job)
            await asyncio.to_thread(self._store.requeue, job.id, seq=seq, lost=False)

    def _next_seq(self, job: Job) -> int:
        current = self._feed.current(job.id)
        return (job.seq if current is None else current.seq) + 1

    def _gone(self, job_id: str, task: asyncio.Task[None]) -> None:
        self._live.pop(job_id, None)
        self._tasks.pop(job_id, None)
        self._cancelled.discard(job_id)
        self._ending.discard(job_id)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("job %s ended in an unforeseen way", job_id, exc_info=error)


def _downloading(fetched: Fetched) -> dict[str, Any]:
    return {"phase": "downloading", "download": asdict(fetched)}


def _new_job(ref: str) -> Job:
    moment = now()
    return Job(
        id=new_job_id(moment),
        kind=JobKind.DOWNLOAD,
        status=JobStatus.QUEUED,
        model="",
        family="",
        params={"ref": ref},
        warnings=(),
        created_at=moment,
    )
