"""Takes requests in: what is refused, and from a request to a job on the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from server.catalog import ModelCatalog, Resolved
from server.errors import ImageNotFound, QueueFull, ShuttingDown
from server.gallery import Gallery
from server.generation import MAX_PROMPT, ImageParams
from server.inputs import InputImages
from server.jobs import submission
from server.jobs.manager import JobManager
from server.jobs.store import IdempotencyKey, JobStore
from server.jobs.submission import Plan, Unrunnable
from server.jobs.views import JobViews
from server.limit_errors import QuotaExceeded
from server.lora_requests import LoraRequests
from server.records import Job, Origin
from server.residency import Residency
from server.snapshots import JobSnapshot


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asked for a job, and how. `max_queued`: how many jobs of this client may wait, None any
    number; `idempotency_key`: what the client calls the request; `folder`: see `Job`; `room`: see
    `GenerationService.submit`."""

    origin: Origin
    max_queued: int | None = None
    idempotency_key: str | None = None
    folder: str | None = None
    room: AbstractContextManager[None] = field(default_factory=nullcontext)


class Intake:
    """Accepts requests while it is `open`; see `GenerationService` for what its methods promise."""

    def __init__(
        self,
        *,
        catalog: ModelCatalog,
        residency: Residency,
        loras: LoraRequests,
        store: JobStore,
        gallery: Gallery,
        inputs: InputImages,
        manager: JobManager,
        views: JobViews,
        max_queued: int,
    ) -> None:
        """`max_queued`: how many jobs may wait."""
        self.open = False
        self._catalog = catalog
        self._residency = residency
        self._loras = loras
        self._store = store
        self._gallery = gallery
        self._inputs = inputs
        self._manager = manager
        self._views = views
        self._max_queued = max_queued
        self._lock = asyncio.Lock()

    @property
    def accepts(self) -> bool:
        """Whether a sound request would be taken now."""
        return self.open and self._manager.waiting < self._max_queued

    async def submit(self, body: Mapping[str, Any], asked: Asked) -> JobSnapshot:
        """See `GenerationService.submit`."""
        scope = asked.origin.client
        key = submission.idempotency_key(asked.idempotency_key, scope, body)
        if key is not None:
            earlier = await asyncio.to_thread(self._store.find_by_key, key)
            if earlier is not None:
                return await self._views.snapshot(earlier)
        resolved = self._catalog.resolve(body, self._residency.current)
        with asked.room:
            # A client that goes away must not leave a job in the database that nobody runs.
            return await asyncio.shield(self._take(resolved, asked, key))

    async def refuse(self, request: Unrunnable, origin: Origin) -> JobSnapshot:
        """See `GenerationService.submit_failed`."""
        self._check_open()
        job = submission.failed_job(request, origin)
        return await self._views.snapshot(await asyncio.to_thread(self._store.create, job))

    async def plan(self, body: Mapping[str, Any]) -> Plan:
        """See `GenerationService.plan`."""
        resolved = self._catalog.resolve(body, self._residency.current)
        resolved = await self._completed(resolved)
        params, _ = await self._images_of(resolved)
        resolved = replace(resolved, params=params)
        rate = await asyncio.to_thread(self._gallery.seconds_per_work, resolved.card.id)
        needs_load = not self._residency.is_loaded(resolved.card)
        return submission.plan(resolved, rate, needs_load=needs_load)

    async def _completed(self, resolved: Resolved) -> Resolved:
        # Looking for the nearest of thousands of names takes a moment.
        return await asyncio.to_thread(self._loras.complete, resolved)

    async def _accept(
        self, job: Job, max_queued: int | None, key: IdempotencyKey | None
    ) -> JobSnapshot:
        # One at a time: the limits hold, and the queue has the order of the database.
        async with self._lock:
            self._check_open()
            self._check_quota(job.origin.client, max_queued)
            # First: whatever this raises, no row is left that nobody runs.
            missing = await self._manager.downloads.missing(job.model)
            created = await asyncio.to_thread(self._store.create, job, key)
            if created.id != job.id:
                return await self._views.snapshot(created)
            return self._manager.enqueue(created, download=missing)

    async def _take(
        self, resolved: Resolved, asked: Asked, key: IdempotencyKey | None
    ) -> JobSnapshot:
        """Accept a request, with its images kept first; a refused one leaves none behind."""
        self._check_open()
        resolved = await self._completed(resolved)
        params, found = await self._images_of(resolved)
        job = submission.new_job(replace(resolved, params=params), asked.origin, asked.folder)
        kept = await asyncio.to_thread(self._inputs.keep, found) if found else {}
        try:
            return await self._accept(job, asked.max_queued, key)
        except BaseException:
            await asyncio.to_thread(self._inputs.forget, kept)
            raise

    async def _images_of(self, resolved: Resolved) -> tuple[ImageParams, dict[str, bytes]]:
        if not resolved.params.image_sources:
            return resolved.params, {}
        return await asyncio.to_thread(self._examine, resolved.params)

    def _examine(self, params: ImageParams) -> tuple[ImageParams, dict[str, bytes]]:
        if not params.prompt:
            params = params.model_copy(update={"prompt": self._prompt_of(params.image_sources[0])})
        return self._inputs.examine(params, self._gallery.image_path)

    def _prompt_of(self, source: str) -> str:
        """The prompt of an image of the gallery, by which people find what is made of it."""
        try:
            prompt: str = self._gallery.named(source).recipe["prompt"]
        except ImageNotFound:
            return ""
        return prompt[:MAX_PROMPT]

    def _check_quota(self, client: str, max_queued: int | None) -> None:
        """
        Raises:
            QuotaExceeded: as many jobs of this client wait as may.
        """
        if max_queued is not None and self._manager.waiting_of(client) >= max_queued:
            raise QuotaExceeded(
                f"{max_queued} jobs of this key wait already, which is its quota. Try again when "
                "one of them has begun."
            )

    def _check_open(self) -> None:
        """
        Raises:
            ShuttingDown, QueueFull: no job is accepted now.
        """
        if not self.open:
            raise ShuttingDown("The server is stopping. Send the request again later.")
        if self._manager.waiting >= self._max_queued:
            raise QueueFull(
                f"{self._manager.waiting} jobs wait already (`max_queued`). Try again later."
            )
