"""Downloads of models, a few at a time; they take no slot."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from server.catalog import ModelCatalog
from server.errors import DarkroomError, JobFailure
from server.source_errors import SourceFailed
from server.sources.progress import Speed

log = logging.getLogger(__name__)

#: Seconds between two reports of a download.
REPORT_INTERVAL = 0.25

#: Models that are downloaded at a time. They share one line; but a slow site must not hold up the
#: others.
PARALLEL = 2


@dataclass(frozen=True, slots=True)
class Fetched:
    """How far a download is. `total_bytes` is None while the sizes of files are not known."""

    bytes: int = 0
    total_bytes: int | None = None
    bytes_per_second: float | None = None


class Fetches:
    """The downloads that run or wait for their turn, by model."""

    def __init__(
        self,
        catalog: ModelCatalog,
        report: Callable[[str], None],
        ended: Callable[[str, JobFailure | None], None],
    ) -> None:
        """
        Args:
            catalog: knows the models and fetches their files.
            report: takes a model's id, when its `progress` has changed.
            ended: takes a model's id, and why it failed, if it did; not called after `stop`.
        """
        self._catalog = catalog
        self._report = report
        self._ended = ended
        self._current: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()  # those that were stopped too
        self._progress: dict[str, Fetched] = {}
        self._gate = asyncio.Semaphore(PARALLEL)

    def __contains__(self, model: str) -> bool:
        return model in self._current

    def progress(self, model: str) -> Fetched | None:
        """How far a model's download is; None when there is none."""
        return self._progress.get(model, Fetched()) if model in self else None

    def begin(self, model: str) -> None:
        """Download what is missing of a model, unless that is being done."""
        if model in self:
            return
        task = asyncio.create_task(self._fetch(model), name=f"fetch {model}")
        self._current[model] = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self, model: str) -> None:
        """Leave a download where it is; what is there stays for the next time."""
        task = self._current.pop(model, None)
        self._progress.pop(model, None)
        if task is not None:
            task.cancel()

    async def close(self) -> None:
        """Stop all."""
        for model in list(self._current):
            self.stop(model)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _fetch(self, model: str) -> None:
        task = asyncio.current_task()
        reporter = Reporter(lambda fetched: self._note(model, task, fetched))
        try:
            async with self._gate:
                failure = await self._failure(model, reporter)
        finally:
            reporter.close()
        # One that failed while it was stopped has no say: another may have begun since.
        if self._current.get(model) is task:
            del self._current[model]
            self._progress.pop(model, None)
            self._ended(model, failure)

    async def _failure(self, model: str, reporter: Reporter) -> JobFailure | None:
        """Download; why that failed, if it did."""
        failure = await failure_of(self._catalog.fetch(model, reporter), model)
        if failure is None:
            log.info("model %s is downloaded", model)
        else:
            log.warning("model %s was not downloaded: %s", model, failure)
        return failure

    def _note(self, model: str, task: asyncio.Task[None] | None, fetched: Fetched) -> None:
        if self._current.get(model) is task:
            self._progress[model] = fetched
            self._report(model)


async def failure_of(download: Awaitable[object], name: str) -> JobFailure | None:
    """Wait for a download; why it failed, if it did.

    Args:
        download: what to wait for.
        name: what is downloaded, for messages.
    """
    try:
        await download
    except JobFailure as error:
        return error
    except DarkroomError as error:
        return SourceFailed(error.message)
    except OSError as error:
        return SourceFailed(f"{name} could not be downloaded: {error}")
    except Exception:  # whatever nobody thought of: its jobs must not wait for ever
        log.exception("the download of %s ended in an unforeseen way", name)
        return SourceFailed(f"{name} could not be downloaded: see the server's log.")
    return None


class Reporter:
    """A listener of a download that reports a few times a second, the last words included."""

    def __init__(self, report: Callable[[Fetched], None]) -> None:
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
        self._report(Fetched(there, total, self._speed.update(there, time.monotonic())))
