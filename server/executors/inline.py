"""Tasks in a thread of the server itself: for tests with families that need no torch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from server.errors import DarkroomError
from server.executors.messages import until_end
from server.generation import Task
from server.plugins.manager import PluginManager
from server.snapshots import (
    LoadModel,
    ModelState,
    RunTask,
    TaskMessage,
    TaskStarted,
    UnloadModel,
    Weights,
    WorkerMessage,
    WorkerNews,
)
from server.worker.options import WorkerOptions
from server.worker.preview import Previewer
from server.worker.runner import Runner


class InlineExecutor:
    """One thread that runs tasks; the same runner as in a worker process, without the process."""

    def __init__(
        self, options: dict[str, Any], weights: Callable[[str], Weights], plugins: PluginManager
    ) -> None:
        """See `ProcessExecutor`; `plugins` are the server's own."""
        self._weights = weights
        self._messages: asyncio.Queue[TaskMessage | None] = asyncio.Queue()
        self._listener: Callable[[WorkerNews], None] | None = None
        self._thread = ThreadPoolExecutor(1, "inline-worker")
        self._running: tuple[str, int] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        parsed = WorkerOptions.model_validate(options)
        # `auto` would have to import torch to look, which nothing here needs.
        self._device = None if parsed.device == "auto" else parsed.device
        previewer = Previewer(self._send, parsed.preview_interval)
        self._runner = Runner(plugins, self._send, previewer, parsed)

    @property
    def device(self) -> str | None:
        """See `Executor.device`."""
        return self._device

    def slots(self) -> Iterable[str]:
        """One: one thread."""
        return ("0",)

    def listen(self, listener: Callable[[WorkerNews], None]) -> None:
        """See `Executor.listen`; called on the event loop. Nothing is told of the device's memory,
        for which torch might have to be imported."""
        self._loop = asyncio.get_running_loop()
        self._listener = listener

    async def run(
        self, slot: str, task: Task[Any], attempt: int
    ) -> AsyncGenerator[TaskMessage, None]:
        """See `Executor.run`."""
        command = RunTask(task.to_wire(), attempt, self._weights(task.model))
        self._running = (task.job_id, attempt)
        self._thread.submit(self._runner.run, command)
        async for message in until_end(self._messages, TaskStarted(task.job_id, attempt)):
            yield message

    def cancel(self, job_id: str, attempt: int) -> None:
        """See `Executor.cancel`."""
        self._runner.cancel(job_id, attempt)

    def load(self, model: str) -> None:
        """See `Executor.load`."""
        self._thread.submit(self._load, model)

    def unload(self, model: str) -> None:
        """See `Executor.unload`."""
        self._thread.submit(self._runner.unload, UnloadModel(model))

    async def close(self) -> None:
        """Stop after the current step; what runs is lost."""
        self._messages.put_nowait(None)
        if self._running is not None:
            self._runner.cancel(*self._running)
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)

    def _load(self, model: str) -> None:
        try:
            weights = self._weights(model)
        except DarkroomError as error:
            self._send(ModelState(model, "failed", error.message))
            return
        self._runner.load(LoadModel(model, weights))

    def _send(self, message: WorkerMessage) -> None:
        """Called on the runner's threads."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._deliver, message)

    def _deliver(self, message: WorkerMessage) -> None:
        if isinstance(message, WorkerNews):
            if self._listener is not None:
                self._listener(message)
        elif isinstance(message, TaskMessage):
            self._messages.put_nowait(message)
