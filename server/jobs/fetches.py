"""Downloads of the models that waiting jobs need; they take no slot."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from server.catalog import ModelCatalog
from server.errors import DarkroomError, JobFailure
from server.source_errors import SourceFailed
from server.sources.progress import Speed

log = logging.getLogger(__name__)

#: Seconds between two reports of a download.
REPORT_INTERVAL = 0.25


@dataclass(frozen=True, slots=True)
class Fetched:
    """How far a download is. `total_bytes` is None while the sizes of files are not known."""

    bytes: int
    total_bytes: int | None
    bytes_per_second: float | None


class Fetches:
    """The running downloads, by model; one after the other, for they share one line."""

    def __init__(
        self,
        catalog: ModelCatalog,
        report: Callable[[str, Fetched], None],
        ended: Callable[[str, JobFailure | None], None],
    ) -> None:
        """
        Args:
            catalog: knows the models and fetches their files.
            report: takes a model's id and how far it is.
            ended: takes a model's id, and why it failed, if it did.
        """
        self._catalog = catalog
        self._report = report
        self._ended = ended
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._line = asyncio.Lock()

    def __contains__(self, model: str) -> bool:
        return model in self._tasks

    def begin(self, model: str) -> None:
        """Download what is missing of a model, unless that is being done."""
        if model not in self._tasks:
            self._tasks[model] = asyncio.create_task(self._fetch(model), name=f"fetch {model}")

    def stop(self, model: str) -> None:
        """Leave a download where it is; what is there stays for the next time."""
        task = self._tasks.pop(model, None)
        if task is not None:
            task.cancel()

    async def close(self) -> None:
        """Stop all."""
        tasks = list(self._tasks.values())
        for model in list(self._tasks):
            self.stop(model)
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _fetch(self, model: str) -> None:
        failure: JobFailure | None = None
        reporter = _Reporter(model, self._report)
        try:
            async with self._line:
                await self._catalog.fetch(model, reporter)
            log.info("model %s is downloaded", model)
        except JobFailure as error:
            failure = error
        except DarkroomError as error:
            failure = SourceFailed(error.message)
        except OSError as error:
            failure = SourceFailed(f"{model} could not be downloaded: {error}")
        finally:
            reporter.close()
        if failure is not None:
            log.warning("model %s was not downloaded: %s", model, failure)
        self._tasks.pop(model, None)
        self._ended(model, failure)


class _Reporter:
    """A listener of a download that reports a few times a second, the last words included."""

    def __init__(self, model: str, report: Callable[[str, Fetched], None]) -> None:
        self._model = model
        self._report = report
        self._speed = Speed()
        self._newest: tuple[int, int | None] = (0, None)
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self, there: int, total: int | None) -> None:
        self._newest = (there, total)
        if self._timer is None:
            self._tell()
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(REPORT_INTERVAL, self._due)

    def close(self) -> None:
        """Say no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _due(self) -> None:
        self._timer = None
        self(*self._newest)

    def _tell(self) -> None:
        there, total = self._newest
        fetched = Fetched(there, total, self._speed.update(there, time.monotonic()))
        self._report(self._model, fetched)
