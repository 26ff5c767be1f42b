"""One attempt at a job: the executor's messages become snapshots and images in the gallery."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, ParamSpec

from server.errors import (
    DarkroomError,
    DatabaseUnavailable,
    JobFailure,
    PluginFailed,
    StorageFailed,
    WorkerLost,
)
from server.gallery import Gallery
from server.generation import ImageParams, Task, recipe
from server.jobs.progress import Progress
from server.jobs.store import JobStore
from server.plugins.manager import PluginManager
from server.plugins.types import Executor
from server.records import ImageRecord, Job, JobStatus, image_filename, iso, now
from server.snapshots import (
    ImageReady,
    JobSnapshot,
    LorasApplied,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    TaskMessage,
    TaskStarted,
    TaskWarned,
)

log = logging.getLogger(__name__)

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended. `error` is (code, message). QUEUED means: try again; `lost` that it
    cost a worker. `params` are what an ended job keeps as its parameters; None: those it has."""

    status: JobStatus
    error: tuple[str, str] | None = None
    lost: bool = False
    params: Mapping[str, Any] | None = None


class Attempt:
    """Runs a dispatched job once. `job` and `current` change as it goes on."""

    def __init__(
        self,
        job: Job,
        *,
        store: JobStore,
        gallery: Gallery,
        plugins: PluginManager,
        executor: Executor,
        publish: Callable[[JobSnapshot], None],
        image_added: Callable[[ImageRecord], None],
    ) -> None:
        """`publish` takes every snapshot; `image_added` is called for each image in the gallery."""
        self.job = job
        self.cancelled = False
        self._store = store
        self._gallery = gallery
        self._plugins = plugins
        self._executor = executor
        self._publish = publish
        self._image_added = image_added
        self._storage_error: DarkroomError | None = None
        self._progress: Progress | None = None
        self._task: Task[ImageParams]

    def cancel(self) -> None:
        """Ask for the end; the attempt then ends within a step."""
        self.cancelled = True
        self._executor.cancel(self.job.id, self.job.attempt)

    async def begin(self, job: Job) -> None:
        """The job, as the database has it now that it is dispatched."""
        self.job = job
        found = await asyncio.to_thread(self._gallery.of_jobs, [job.id])
        self._progress = Progress(job, found.get(job.id, ()))
        self._publish(self._progress.change())

    @property
    def next_seq(self) -> int:
        """The number of the next revision."""
        return self._begun.current.seq + 1

    async def run(self, slot: str, task: Task[ImageParams]) -> Outcome:
        """Run the task on the executor.

        Raises:
            WorkerLost, JobFailure: see `Executor.run`.
        """
        if self.cancelled:
            return Outcome(JobStatus.CANCELLED)
        if not task.indices:
            return Outcome(JobStatus.COMPLETED)
        last: TaskMessage | None = None
        self._task = task
        async with aclosing(self._executor.run(slot, task, self.job.attempt)) as messages:
            try:
                async for message in messages:
                    last = message
                    await self._handle(message)
            except (WorkerLost, JobFailure):
                raise
            except Exception:
                # Nobody listens any more: the worker need not go on.
                self._executor.cancel(self.job.id, self.job.attempt)
                raise
        return self._verdict(last)

    @property
    def _begun(self) -> Progress:
        assert self._progress is not None, "begin comes first"
        return self._progress

    async def _handle(self, message: TaskMessage) -> None:
        if isinstance(message, TaskStarted):
            await self._note(self._store.start, self.job.id)
        if isinstance(message, TaskWarned):
            await self._note(self._store.warn, self.job.id, message.message)
        if isinstance(message, LorasApplied):
            self._task = self._task.with_lora_reports(message.reports)
            params = self._task.params.model_dump(mode="json")
            await self._note(self._store.note_params, self.job.id, params)
        if isinstance(message, ImageReady):
            await self._keep(message)
        if isinstance(message, TaskFailed) and message.fault is not None:
            self._plugins.fault(self._plugins.provider(self.job.family), message.fault)
        snapshot = self._begun.advance(message, time.monotonic())
        if snapshot is not None:
            self._publish(snapshot)

    async def _note(self, note: Callable[P, Job], *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            job = await asyncio.to_thread(note, *args, **kwargs)
        except DatabaseUnavailable as error:
            log.warning("%s", error)  # only a note; what must be kept is tried again
            return
        self.job = replace(
            self.job, started_at=job.started_at, warnings=job.warnings, params=job.params
        )
        self._publish(
            self._begun.change(
                started_at=iso(job.started_at), warnings=job.warnings, loras=job.loras
            )
        )

    async def _keep(self, message: ImageReady) -> None:
        """Put an image into the gallery; when that fails, so does the job, at once."""
        if self._storage_error is not None:
            return
        record = _image_record(self.job, self._task, message)
        try:
            row_id = await asyncio.to_thread(
                self._gallery.add, record, self.job.attempt, message.png, message.thumbnail
            )
        except (StorageFailed, DatabaseUnavailable) as error:
            self._storage_error = error
            self._executor.cancel(self.job.id, self.job.attempt)
            return
        self.job = replace(self.job, images_done=self.job.images_done | {record.index})
        if row_id is not None:
            record = replace(record, id=row_id)
            self._publish(self._begun.image(record))
            self._image_added(record)

    def _verdict(self, last: TaskMessage | None) -> Outcome:
        if self._storage_error is not None:
            return Outcome(JobStatus.FAILED, (StorageFailed.code, self._storage_error.message))
        match last:
            case TaskFailed(code, message):
                return Outcome(JobStatus.FAILED, (code, message))
            case TaskCancelled() if self.cancelled:
                return Outcome(JobStatus.CANCELLED)
            case TaskFinished() if not self.job.missing:
                return Outcome(JobStatus.COMPLETED)
            case _:
                text = f"The worker ended the job with images {list(self.job.missing)} missing."
                return Outcome(JobStatus.FAILED, (PluginFailed.code, text))


def _image_record(job: Job, task: Task[ImageParams], message: ImageReady) -> ImageRecord:
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
        folder=job.folder,
    )
