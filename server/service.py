"""GenerationService: the façade that the HTTP API, the dialects and the command line speak to."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from filelock import FileLock

from server import datafolder
from server.callers import LOCAL, Caller
from server.catalog import ModelCatalog
from server.config import Settings
from server.database import Database
from server.enrichment.enricher import Enriched, Enricher
from server.enrichment.styles import DEFAULT
from server.enrichment.wish import MAX_LENGTH
from server.errors import JobFailure, JobNotFound
from server.facets import Facets
from server.folders import Folders
from server.gallery import Gallery
from server.inputs import InputImages
from server.jobs import cancelling
from server.jobs.intake import Asked, Intake
from server.jobs.manager import JobManager, QueueState
from server.jobs.statistics import JobStatistics
from server.jobs.store import JobStore
from server.jobs.submission import Plan, Unrunnable
from server.jobs.views import JobViews
from server.keys.store import KeyStore
from server.lora_choices import LoraChoices
from server.lora_requests import LoraRequests
from server.loras.adding import LoraAdder
from server.loras.configured import configured
from server.loras.references import LoraReference, read_remote
from server.loras.registry import LoraRegistry
from server.machine import Machine
from server.memory import Memory
from server.pictures import Pictures
from server.plugins.manager import PluginManager
from server.plugins.types import Executor
from server.records import ImageRecord, Job, JobStatus, Origin
from server.residency import Residency
from server.served_models import ServedModels
from server.snapshots import DeviceMemory, JobSnapshot, ModelState, PluginFault, WorkerNews
from server.storage import ImageFiles
from server.webhooks.store import WebhookStore

#: Seconds that running jobs get to end when the server stops; what is left is put back.
DRAIN = 4.0

#: Of requests through our own API.
NO_ORIGIN = Origin()


class GenerationService:
    """Everything a client can ask for. Construct it, `start` it, `stop` it, on one event loop."""

    def __init__(
        self,
        settings: Settings,
        plugins: PluginManager,
        catalog: ModelCatalog,
        executor: Executor,
    ) -> None:
        self.settings = settings
        self.plugins = plugins
        self.catalog = catalog
        self.machine = Machine(settings.folders)
        self._executor = executor
        self._residency = Residency(catalog)
        self._enricher = Enricher(settings.enrich)
        self._lock: FileLock | None = None

    # --- life ------------------------------------------------------------------------------

    def open(self) -> None:
        """Take the data folder and open the database; `start` does it unless done before.

        Raises:
            FolderUnusable, FolderInUse, DatabaseUnreadable: with what to do about it.
        """
        folders = self.settings.folders
        self._lock = datafolder.acquire(folders)
        self._open_stores(folders)
        self._make_manager()
        self._make_intake()
        self._residency.downloading = self.manager.downloads.__contains__
        self._residency.recall(self.memory)
        self.models = ServedModels(
            self._residency, self._executor, self.manager.downloads, self.memory
        )
        self._gallery.sweep()
        self._store.recover()

    def _open_stores(self, folders: Folders) -> None:
        """What is kept on the disk.

        Raises:
            DatabaseUnreadable
        """
        self._database = Database(folders.database)
        self._store = JobStore(self._database)
        self._gallery = Gallery(self._database, ImageFiles(folders.images, folders.thumbs))
        self._inputs = InputImages(self._database, folders.inputs, self.settings.max_image_pixels)
        self.loras = LoraRegistry(
            self._database,
            folders.loras,
            self.plugins.families,
            self._family_fault,
            configured(self.settings.loras, self.settings.civitai_url),
        )
        self.keys = KeyStore(self._database)
        self.webhooks = WebhookStore(self._database)
        self.memory = Memory(self._database)
        self.statistics = JobStatistics(self._database)
        self.pictures = Pictures(self._gallery, Facets(self._database), self.catalog, self.loras)

    def _make_manager(self) -> None:
        """What runs jobs."""
        self.manager = JobManager(
            store=self._store,
            gallery=self._gallery,
            inputs=self._inputs,
            catalog=self.catalog,
            plugins=self.plugins,
            executor=self._executor,
            adder=LoraAdder.of(self.settings, self.loras),
            lora_path=self.loras.locate,
            may_run=self.keys.may_run,
            paused=self.settings.on_start == "pause",
            job_ended=self._retain,
            model_fetched=self._fetched,
        )
        feed, new_image = self.manager.feed, self.manager.new_image
        self._views = JobViews(self._store, self._gallery, feed, new_image)

    def _make_intake(self) -> None:
        """What accepts jobs."""
        choices = LoraChoices(self.catalog, self.loras)
        self.catalog.offer_loras(choices.ids, self.settings.max_loras)
        self._intake = Intake(
            catalog=self.catalog,
            residency=self._residency,
            loras=LoraRequests(choices, self.settings.max_loras),
            store=self._store,
            gallery=self._gallery,
            inputs=self._inputs,
            manager=self.manager,
            views=self._views,
            max_queued=self.settings.max_queued,
        )

    async def start(self) -> None:
        """Take up what the last run left, and begin to work."""
        if self._lock is None:
            self.open()
        self._executor.listen(self._note)
        await self.loras.start(watch=self.settings.watch_loras)
        await self.manager.start()
        self.manager.lora_downloads.want(self._missing_loras)
        if self.settings.preload and not await asyncio.to_thread(
            self.catalog.must_fetch, self.current_model
        ):
            self._executor.load(self.current_model)
        self._intake.open = True

    async def stop(self) -> None:
        """Let running jobs end for a few seconds, put the others back, let go of everything."""
        self._intake.open = False
        await self.manager.stop(DRAIN)
        await self.loras.stop()
        self._database.close()
        if self._lock is not None:
            self._lock.release()

    # --- jobs ------------------------------------------------------------------------------

    async def submit(
        self,
        body: Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        caller: Caller = LOCAL,
        origin: Origin = NO_ORIGIN,
        folder: str | None = None,
        room: contextlib.AbstractContextManager[None] | None = None,
    ) -> JobSnapshot:
        """Accept a request; when this returns, the job is on the disk and will end.

        Args:
            body: one model's parameters, and optionally `model`.
            idempotency_key: a repeat with the same key and body by the same caller returns the
                first job.
            caller: who asks, and how many jobs of theirs may wait.
            origin: the API that the request came through; its `client` becomes the caller.
            folder: where its images are stored, see `Job`; None: with all others.
            room: entered while a sound request becomes a new job; what it raises refuses that.

        Raises:
            InvalidParameters, IdempotencyConflict, QueueFull, QuotaExceeded, ShuttingDown
        """
        origin = replace(origin, client=caller.id)
        room = room or contextlib.nullcontext()
        asked = Asked(origin, caller.max_queued, idempotency_key, folder, room)
        return await self._intake.submit(body, asked)

    async def submit_failed(
        self, request: Unrunnable, *, caller: Caller = LOCAL, origin: Origin = NO_ORIGIN
    ) -> JobSnapshot:
        """Keep a request that cannot run as a job that has failed, which tells what is missing.

        Raises:
            QueueFull, ShuttingDown
        """
        origin = replace(origin, client=caller.id)
        snapshot = await self._intake.refuse(request, origin)
        await asyncio.to_thread(self._retain)
        return snapshot

    async def plan(self, body: Mapping[str, Any]) -> Plan:
        """What `submit` would do with this request.

        Raises:
            InvalidParameters
        """
        return await self._intake.plan(body)

    async def job(self, job_id: str) -> tuple[Job, JobSnapshot]:
        """A job with its newest snapshot.

        Raises:
            JobNotFound
        """
        return await self._views.job(job_id)

    async def jobs(
        self, *, status: JobStatus | None, limit: int, cursor: str | None
    ) -> tuple[list[JobSnapshot], str | None]:
        """Jobs newest first, and the cursor of the next page or None."""
        return await self._views.page(status, limit, cursor)

    async def jobs_named(self, job_ids: Iterable[str]) -> dict[str, Job]:
        """Those of these jobs that there are, by id."""
        return await asyncio.to_thread(self._store.many, job_ids)

    async def cancel(self, job_id: str) -> JobSnapshot:
        """Cancel a queued or running job and return its snapshot, usually the terminal one.

        Raises:
            JobNotFound, JobAlreadyEnded
        """
        return await cancelling.cancel(self.manager, self._views, job_id)

    async def leave(self, job_id: str) -> None:
        """The client of a job waits no more: if it has not begun, it is dropped."""
        await cancelling.leave(self.manager, self._store, job_id, self.settings)

    async def delete_job(self, job_id: str) -> None:
        """Forget a job; a queued or running one is cancelled. Its images stay.

        Raises:
            JobNotFound
        """
        await asyncio.to_thread(self._store.get, job_id)
        if not await self.manager.cancel(job_id):
            await asyncio.to_thread(self._store.delete, job_id)
            return
        await self.wait(job_id)
        with contextlib.suppress(JobNotFound):  # when retention was quicker
            await asyncio.to_thread(self._store.delete, job_id)

    async def watch(self, job_id: str) -> AsyncIterator[JobSnapshot]:
        """The job's current snapshot, then the newest whenever the caller is ready, up to the
        terminal one.

        Raises:
            JobNotFound: at once, not at the first iteration.
        """
        return await self._views.watch(job_id)

    def watch_jobs(self) -> AsyncIterator[JobSnapshot]:
        """Snapshots of all live jobs, until the server stops."""
        return self._views.watch_all()

    async def watch_images(self, after: int | None) -> AsyncIterator[ImageRecord]:
        """New images from this moment on, until the server stops; with `after` (a row id) first
        those since then."""
        return await self._views.watch_images(after)

    async def wait(self, job_id: str) -> JobSnapshot:
        """The job's terminal snapshot, when it has one.

        Raises:
            JobNotFound, ShuttingDown
        """
        return await self._views.wait(job_id)

    async def add_lora(self, ref: str) -> JobSnapshot:
        """Accept the download of a LoRA; when this returns, the job is on the disk, or the one that
        is at this very LoRA already is what is returned.

        Args:
            ref: where it is, one of `server.loras.references.FORMS`, no file of this machine.

        Raises:
            MalformedReference, QueueFull, ShuttingDown
        """
        reference = read_remote(ref, self.settings.civitai_url)
        return await self.manager.lora_downloads.submit(reference)

    async def enrich(
        self, prompt: str, style: str = DEFAULT, *, limit: int = MAX_LENGTH
    ) -> Enriched:
        """A prompt written out; see `Enricher.enrich`.

        Raises:
            InvalidParameters
        """
        return await self._enricher.enrich(prompt, style, limit=limit)

    # --- queue -----------------------------------------------------------------------------

    async def queue(self) -> QueueState:
        """The queue in numbers."""
        return await self.manager.state()

    async def requeue_stalled(self) -> int:
        """Queue jobs again that nobody runs although they are said to run; how many there were."""
        return await self.manager.requeue_stalled()

    async def pause(self) -> QueueState:
        """Start no more jobs; what runs ends."""
        self.manager.pause()
        return await self.queue()

    async def resume(self) -> QueueState:
        """Run waiting jobs again."""
        self.manager.resume()
        return await self.queue()

    @property
    def accepts_jobs(self) -> bool:
        """Whether a job would be accepted now, as far as that does not depend on the caller."""
        return self._intake.accepts

    # --- models ----------------------------------------------------------------------------

    @property
    def current_model(self) -> str:
        """The id of the model of requests that name none."""
        return self._residency.current

    @property
    def device(self) -> str:
        """What images are made on, by torch's name: as the worker has said, else as the settings
        say, which may be `auto`."""
        return self._executor.device or self.settings.device

    # --- inside ----------------------------------------------------------------------------

    def _retain(self) -> None:
        if self.settings.keep_jobs is not None:
            self._store.prune(self.settings.keep_jobs)
        if self.settings.keep_images is not None:
            self._gallery.prune(self.settings.keep_images)
        self._inputs.sweep()

    async def _missing_loras(self) -> Sequence[LoraReference]:
        """What the configuration names and is not here."""
        await self.loras.rescan()
        return self.loras.missing()

    def _note(self, message: WorkerNews) -> None:
        match message:
            case ModelState():
                self._residency.note(message)
            case DeviceMemory():
                self.machine.note(message)
            case PluginFault(provider, text):
                self.plugins.fault(provider, text)

    def _family_fault(self, family: str, message: str) -> None:
        self.plugins.fault(self.plugins.provider(family), message)

    def _fetched(self, model: str, failure: JobFailure | None) -> None:
        self.models.fetched(model, failure)
