"""Which models are downloaded for whom: for jobs that wait, and for the one to be loaded next."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from server.catalog import ModelCatalog
from server.errors import JobFailure
from server.jobs.fetches import Fetches
from server.jobs.waiting import Waiting

log = logging.getLogger(__name__)


class Downloads:
    """Begins the downloads that are needed, and stops those that nobody needs any more.

    `wanted` is the model that is to be loaded as soon as it is here, whether or not jobs wait
    for it. Lives on the event loop.
    """

    def __init__(
        self,
        catalog: ModelCatalog,
        waiting: Waiting,
        ended: Callable[[str, JobFailure | None], None],
    ) -> None:
        """
        Args:
            catalog: knows the models and fetches their files.
            waiting: the jobs; they show how far the download of their model is.
            ended: takes a model's id, and why its download failed, if it did.
        """
        self.wanted: str | None = None
        self._catalog = catalog
        self._waiting = waiting
        self._tell_end = ended
        self._fetches = Fetches(catalog, self._show, self._ended)
        self._closed = False

    def __contains__(self, model: str) -> bool:
        return model in self._fetches

    async def missing(self, model: str) -> bool:
        """Whether a model's files are missing here and can be downloaded."""
        return await asyncio.to_thread(self._catalog.must_fetch, model)

    async def begin_missing(self, models: Iterable[str]) -> None:
        """Begin the downloads that these models need."""
        for model in models:
            try:
                missing = await self.missing(model)
            except Exception:  # one model must not keep the others' jobs; its own will say why
                log.exception("whether %s must be downloaded cannot be told", model)
                continue
            if missing:
                self.begin(model)

    def begin(self, model: str) -> None:
        """Download a model for the jobs that wait for it."""
        if self._closed:
            return
        self._fetches.begin(model)
        self._show(model)

    def want(self, model: str | None) -> None:
        """Download a model to load it, in place of the one that was wanted before."""
        before, self.wanted = self.wanted, model
        if model is not None:
            self.begin(model)
        if before is not None:
            self.release(before)

    def unwant(self, model: str) -> bool:
        """Do not load a model once it is here; whether that had been wanted."""
        was_wanted = model == self.wanted
        if was_wanted:
            self.want(None)
        return was_wanted

    def release(self, model: str) -> None:
        """Stop a download unless somebody needs it; what is there stays for the next time."""
        if model != self.wanted and not self._waiting.of(model):
            self._fetches.stop(model)

    def shown(self, model: str) -> dict[str, Any]:
        """What a job that waits for a model shows of it: the `phase` and the `download`."""
        fetched = self._fetches.progress(model)
        if fetched is None:
            return {"phase": None, "download": None}
        return {"phase": "downloading", "download": asdict(fetched)}

    async def close(self) -> None:
        """Stop all, and begin no more."""
        self._closed = True
        await self._fetches.close()

    def _show(self, model: str) -> None:
        for job in self._waiting.of(model):
            self._waiting.show(job, **self.shown(model))

    def _ended(self, model: str, failure: JobFailure | None) -> None:
        self._show(model)
        self._tell_end(model, failure)
