"""Tasks in a worker process: a fresh Python that holds the device, spoken to over its own pipes.

`multiprocessing` is not used: its spawn would import the whole command line in the child again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from typing import Any

from server.errors import DarkroomError, WorkerLost
from server.executors.messages import until_end
from server.executors.worker_process import Listener, WorkerProcess
from server.generation import Task
from server.snapshots import (
    CancelTask,
    LoadModel,
    ModelState,
    RunTask,
    TaskCancelled,
    TaskMessage,
    TaskStarted,
    UnloadModel,
    Weights,
    WorkerNews,
)

log = logging.getLogger(__name__)

#: Seconds a worker may take until it announces itself; importing torch from a slow disk is slow.
START_LIMIT = 180.0

#: Seconds a cancelled task may go on (loading a model, say) before its worker is killed.
CANCEL_LIMIT = 30.0


class ProcessExecutor:
    """One worker process for one device, started when it is needed."""

    def __init__(self, options: dict[str, Any], weights: Callable[[str], Weights]) -> None:
        """
        Args:
            options: `WorkerOptions` as JSON-compatible data.
            weights: where the files of a model lie, by its id; blocks, raises ModelLoadFailed.
        """
        self._options = options
        self._weights = weights
        self._worker: WorkerProcess | None = None
        self._device: str | None = None
        self._starting = asyncio.Lock()
        self._current: TaskStarted | None = None
        self._cancelled: TaskStarted | None = None
        self._background: set[asyncio.Task[None]] = set()
        self._listener: Listener = _ignore
        self._closed = asyncio.Event()

    @property
    def device(self) -> str | None:
        """See `Executor.device`; still known when the worker has ended."""
        return self._device

    def slots(self) -> Iterable[str]:
        """One: one process, one device."""
        return ("0",)

    def listen(self, listener: Listener) -> None:
        """See `Executor.listen`."""
        self._listener = listener

    async def run(
        self, slot: str, task: Task[Any], attempt: int
    ) -> AsyncGenerator[TaskMessage, None]:
        """See `Executor.run`."""
        start = self._current = TaskStarted(task.job_id, attempt)
        before = self._worker
        try:
            weights = await asyncio.to_thread(self._weights, task.model)
            command = RunTask(task.to_wire(), attempt, weights)
            async for message in self._run(start, command):
                yield message
        except WorkerLost as lost:
            # One that had been idle for long ends of its own accord, perhaps just now.
            if lost.started or self._worker is not before:
                raise
            async for message in self._run(start, command):
                yield message
        finally:
            if self._current == start:
                self._current = None

    def cancel(self, job_id: str, attempt: int) -> None:
        """See `Executor.cancel`; a worker that does not obey is killed. What does not run (not
        yet, or not any more) is not this one's to stop."""
        task = TaskStarted(job_id, attempt)
        if self._current != task:
            return
        self._cancelled = task
        if self._worker is not None:
            self._worker.send(CancelTask(job_id, attempt))
            loop = asyncio.get_running_loop()
            loop.call_later(CANCEL_LIMIT, self._insist, self._worker, task)

    def load(self, model: str) -> None:
        """See `Executor.load`."""
        task = asyncio.create_task(self._load(model))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def unload(self, model: str) -> None:
        """See `Executor.unload`; without a worker nothing is loaded."""
        if self._worker is not None and self._worker.alive:
            self._worker.send(UnloadModel(model))

    async def close(self) -> None:
        """End the worker."""
        self._closed.set()
        if self._worker is not None:
            await self._worker.close()
        # Whoever is just starting a worker sees that it is too late, and ends it.
        await asyncio.gather(*self._background)

    async def _run(self, start: TaskStarted, command: RunTask) -> AsyncIterator[TaskMessage]:
        worker = await self._ready_worker()
        if self._cancelled == start:
            yield TaskCancelled()
            return
        worker.send(command)
        try:
            async for message in until_end(worker.messages, start):
                yield message
        except WorkerLost as lost:
            detail = worker.last_words
            raise WorkerLost(lost.message, started=lost.started, detail=detail) from None

    async def _load(self, model: str) -> None:
        try:
            weights = await asyncio.to_thread(self._weights, model)
            self._listener(ModelState(model, "loading"))
            worker = await self._ready_worker()
        except DarkroomError as error:
            log.warning("%s was not loaded: %s", model, error)
            self._listener(ModelState(model, "failed", str(error)))
            return
        worker.send(LoadModel(model, weights))

    async def _ready_worker(self) -> WorkerProcess:
        async with self._starting:
            if self._closed.is_set():
                raise WorkerLost("The server is stopping.")
            if self._worker is None or not self._worker.alive:
                if self._worker is not None:
                    await self._worker.close()
                self._worker = await WorkerProcess.spawn(self._options, self._tell)
            worker = self._worker
            if self._closed.is_set():
                await worker.close()
            try:
                ready = await asyncio.wait_for(asyncio.shield(worker.ready), START_LIMIT)
            except TimeoutError:
                worker.kill()
                raise WorkerLost(f"The worker was not ready after {START_LIMIT:.0f} s.") from None
            except WorkerLost as lost:
                raise WorkerLost(lost.message, detail=worker.last_words) from None
            self._device = ready.device
            return worker

    def _insist(self, worker: WorkerProcess, task: TaskStarted) -> None:
        if self._current == task:
            log.warning("job %s did not stop in %.0f s: worker killed", task.job_id, CANCEL_LIMIT)
            worker.kill()

    def _tell(self, message: WorkerNews) -> None:
        # Looked up at each call: whoever listens may come after the first worker.
        self._listener(message)


def _ignore(_message: WorkerNews) -> None:
    """Before anyone listens."""
