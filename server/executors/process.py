"""Tasks in a worker process: a fresh Python that holds the device, spoken to over its own pipes.

`multiprocessing` is not used: its spawn would import the whole command line in the child again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

from server.errors import DarkroomError, WorkerLost
from server.generation import Task
from server.snapshots import (
    CancelTask,
    Command,
    LoadModel,
    ModelState,
    PluginFault,
    RunTask,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    TaskMessage,
    TaskStarted,
    UnloadModel,
    WorkerMessage,
    WorkerReady,
)
from server.worker import wire

log = logging.getLogger(__name__)
worker_log = logging.getLogger("server.worker")

#: Seconds a worker may take until it announces itself; importing torch from a slow disk is slow.
START_LIMIT = 180.0

#: Seconds a cancelled task may go on (loading a model, say) before its worker is killed.
CANCEL_LIMIT = 30.0

#: Seconds a worker gets to end by itself when the server stops.
CLOSE_LIMIT = 2.0

#: A line of the worker's log; other lines are what libraries print.
LOG_LINE = re.compile(r"(DEBUG|INFO|WARNING|ERROR|CRITICAL) ([\w.]+): (.*)")

Listener = Callable[[ModelState | PluginFault], None]


class WorkerProcess:
    """One running worker. Everything it says about a task is put into `messages`; None is its
    end."""

    def __init__(self, process: Process, listener: Listener) -> None:
        self.messages: asyncio.Queue[TaskMessage | None] = asyncio.Queue()
        self.ready: asyncio.Future[WorkerReady] = asyncio.get_running_loop().create_future()
        self._process = process
        self._listener = listener
        self._resident: set[str] = set()
        self._last_words: deque[str] = deque(maxlen=20)
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._log())]

    @classmethod
    async def spawn(cls, options: dict[str, Any], listener: Listener) -> WorkerProcess:
        """Start a worker; it is usable once `ready` is done."""
        process = await asyncio.create_subprocess_exec(
            # -P: a `server.py` in the current folder must not be taken for ours.
            *(sys.executable, "-P", "-m", "server.worker", "--options", json.dumps(options)),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=_environment(),
        )
        return cls(process, listener)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it has not ended, as far as is known."""
        return not self._tasks[0].done()

    @property
    def last_words(self) -> str:
        """The end of what it wrote to standard error."""
        return "\n".join(self._last_words)

    def send(self, command: Command) -> None:
        """Send a command; when the worker is gone, reading will tell."""
        assert self._process.stdin is not None
        with contextlib.suppress(ConnectionError, RuntimeError):
            self._process.stdin.write(wire.encode(command))

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def close(self) -> None:
        """End it, in the middle of a step if need be, and wait until it is gone."""
        assert self._process.stdin is not None
        self._process.stdin.close()  # it ends when nobody speaks to it
        try:
            await asyncio.wait_for(self._process.wait(), CLOSE_LIMIT)
        except TimeoutError:
            self.kill()
        await self._process.wait()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self) -> None:
        assert self._process.stdout is not None
        try:
            while (message := await wire.receive(self._process.stdout)) is not None:
                self._sort(message)
        except wire.ProtocolError:
            log.exception("worker %d sent nonsense and is ended", self.pid)
            self.kill()
        finally:
            code = await self._process.wait()
            log.info("worker %d ended with code %d", self.pid, code)
            for model in self._resident:
                self._listener(ModelState(model, "unloaded"))
            self.messages.put_nowait(None)
            if not self.ready.done():
                self.ready.set_exception(WorkerLost(f"The worker ended with code {code}."))
                self.ready.exception()  # whoever waited has it; else it is not news

    def _sort(self, message: WorkerMessage | Command) -> None:
        match message:
            case WorkerReady():
                if not self.ready.done():
                    self.ready.set_result(message)
            case ModelState(model, state):
                (self._resident.discard if state != "loaded" else self._resident.add)(model)
                self._listener(message)
            case PluginFault():
                self._listener(message)
            case RunTask() | CancelTask() | LoadModel() | UnloadModel():
                raise wire.ProtocolError(f"a worker sent the command {message!r}")
            case _:
                self.messages.put_nowait(message)

    async def _log(self) -> None:
        assert self._process.stderr is not None
        while line := await _line(self._process.stderr):
            text = line.decode(errors="replace").rstrip()
            self._last_words.append(text)
            _log_line(text)


class ProcessExecutor:
    """One worker process for one device, started when it is needed."""

    def __init__(self, options: dict[str, Any], weights: Callable[[str], str]) -> None:
        """
        Args:
            options: `WorkerOptions` as JSON-compatible data.
            weights: the path of a model's weights by the model's id; raises ModelLoadFailed.
        """
        self._options = options
        self._weights = weights
        self._worker: WorkerProcess | None = None
        self._starting = asyncio.Lock()
        self._cancelled: set[tuple[str, int]] = set()
        self._background: set[asyncio.Task[None]] = set()
        self._listener: Listener = _ignore
        self._closed = asyncio.Event()

    def slots(self) -> Iterable[str]:
        """One: one process, one device."""
        return ("0",)

    def listen(self, listener: Listener) -> None:
        """See `Executor.listen`."""
        self._listener = listener

    async def run(self, slot: str, task: Task[Any], attempt: int) -> AsyncIterator[TaskMessage]:
        """See `Executor.run`."""
        command = RunTask(task.to_wire(), attempt, self._weights(task.model))
        start = TaskStarted(task.job_id, attempt)
        before = self._worker
        try:
            async for message in self._run(start, command):
                yield message
        except WorkerLost as lost:
            # One that had been idle for long ends of its own accord, perhaps just now.
            if lost.started or self._worker is not before:
                raise
            async for message in self._run(start, command):
                yield message
        finally:
            self._cancelled.discard((task.job_id, attempt))

    def cancel(self, job_id: str, attempt: int) -> None:
        """See `Executor.cancel`; a worker that does not obey is killed."""
        self._cancelled.add((job_id, attempt))
        if self._worker is not None:
            self._worker.send(CancelTask(job_id, attempt))
            loop = asyncio.get_running_loop()
            loop.call_later(CANCEL_LIMIT, self._insist, self._worker, job_id, attempt)

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
        if (start.job_id, start.attempt) in self._cancelled:
            yield TaskCancelled()
            return
        worker.send(command)
        async for message in _until_end(worker, start):
            yield message

    async def _load(self, model: str) -> None:
        try:
            weights = self._weights(model)
            self._listener(ModelState(model, "loading"))
            worker = await self._ready_worker()
        except (DarkroomError, OSError) as error:
            log.warning("%s was not loaded: %s", model, error)
            self._listener(ModelState(model, "failed", str(error)))
            return
        worker.send(LoadModel(model, weights))

    async def _ready_worker(self) -> WorkerProcess:
        async with self._starting:
            if self._closed.is_set():
                raise WorkerLost("The server is stopping.")
            if self._worker is None or not self._worker.alive:
                self._worker = await WorkerProcess.spawn(self._options, self._tell)
            worker = self._worker
            if self._closed.is_set():
                await worker.close()
            try:
                await asyncio.wait_for(asyncio.shield(worker.ready), START_LIMIT)
            except TimeoutError:
                worker.kill()
                raise WorkerLost(f"The worker was not ready after {START_LIMIT:.0f} s.") from None
            except WorkerLost as lost:
                raise WorkerLost(lost.message, detail=worker.last_words) from None
            return worker

    def _insist(self, worker: WorkerProcess, job_id: str, attempt: int) -> None:
        if (job_id, attempt) in self._cancelled:
            log.warning("job %s did not stop in %.0f s: worker killed", job_id, CANCEL_LIMIT)
            worker.kill()

    def _tell(self, message: ModelState | PluginFault) -> None:
        self._listener(message)


async def _until_end(worker: WorkerProcess, start: TaskStarted) -> AsyncIterator[TaskMessage]:
    """A task's messages from `start` to its last; what an earlier task left over is passed by."""
    started = False
    while True:
        message = await worker.messages.get()
        if message is None:
            worker.messages.put_nowait(None)
            raise WorkerLost("The worker ended.", started=started, detail=worker.last_words)
        started = started or message == start
        if not started:
            continue
        yield message
        if isinstance(message, TaskFinished | TaskFailed | TaskCancelled):
            return


def _log_line(text: str) -> None:
    """Log a line of the worker's as if it had been logged here."""
    found = LOG_LINE.fullmatch(text)
    if found is None:
        worker_log.info("%s", text)
        return
    level, name, message = found.groups()
    logging.getLogger(name).log(logging.getLevelNamesMapping()[level], "%s", message)


def _environment() -> dict[str, str]:
    """This process's environment, with this very package importable in the child."""
    root = str(Path(__file__).resolve().parent.parent.parent)
    path = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([root, *([path] if path else [])])}


async def _line(stream: asyncio.StreamReader) -> bytes:
    """The next line; one longer than the reader's buffer comes in pieces."""
    try:
        return await stream.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        return error.partial
    except asyncio.LimitOverrunError as error:
        return await stream.read(error.consumed)


def _ignore(_message: ModelState | PluginFault) -> None:
    """Before anyone listens."""
