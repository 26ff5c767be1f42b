"""The models as the HTTP APIs see them: how far each is, made ready, let go of."""

from __future__ import annotations

import asyncio

from server.errors import JobFailure
from server.jobs.downloads import Downloads
from server.memory import Memory
from server.plugins.types import Executor
from server.residency import ModelStatus, Residency
from server.snapshots import ModelState


class ServedModels:
    """Every model that the server has."""

    def __init__(
        self, residency: Residency, executor: Executor, downloads: Downloads, memory: Memory
    ) -> None:
        self._residency = residency
        self._executor = executor
        self._downloads = downloads
        self._memory = memory

    def all(self) -> list[ModelStatus]:
        """Every model and its state. Blocks."""
        return self._residency.all()

    def resident(self) -> list[ModelState]:
        """The models that are in memory, see `Residency.in_memory`."""
        return self._residency.in_memory()

    def named(self, name: str) -> ModelStatus:
        """One model and its state. Blocks.

        Raises:
            ModelNotFound
        """
        return self._residency.status(name)

    async def load(self, name: str) -> ModelStatus:
        """Load a model when nothing runs; its files are downloaded first where they are missing.
        One that makes images from words becomes the current model, also after a restart.

        Raises:
            ModelNotFound
        """
        card_id = await self._residency.choose(name, self._memory)
        missing = await self._downloads.missing(card_id)
        self._downloads.want(card_id if missing else None)
        if not missing:
            self._executor.load(card_id)
        return await asyncio.to_thread(self._residency.status, card_id)

    async def unload(self, name: str) -> ModelStatus:
        """Free this model's memory when nothing runs; a download that only `load` wanted stops.

        Raises:
            ModelNotFound
        """
        card_id = (await asyncio.to_thread(self._residency.status, name)).id
        self._downloads.unwant(card_id)
        self._executor.unload(card_id)
        return await asyncio.to_thread(self._residency.status, card_id)

    def fetched(self, card_id: str, failure: JobFailure | None) -> None:
        """A model's files are here, or could not be got; what was to be loaded is."""
        self._residency.fetched(card_id, failure)
        if self._downloads.unwant(card_id) and failure is None:
            self._executor.load(card_id)
