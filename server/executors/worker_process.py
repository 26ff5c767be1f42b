"""A worker process as its parent sees it: its pipes, its end, its last words."""

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
from collections.abc import Callable
from typing import Any

from server.errors import WorkerLost
from server.folders import checkout
from server.snapshots import (
    CancelTask,
    Command,
    DeviceMemory,
    LoadModel,
    ModelState,
    PluginFault,
    RunTask,
    TaskMessage,
    UnloadModel,
    WorkerMessage,
    WorkerNews,
    WorkerReady,
)
from server.worker import wire

log = logging.getLogger(__name__)
worker_log = logging.getLogger("server.worker")

#: Seconds a worker gets to end by itself when the server stops.
CLOSE_LIMIT = 2.0

#: Seconds in which an ended process's exit code is known, and what it wrote last was read.
EXIT_LIMIT = 0.5

#: A line of the worker's log; other lines are what libraries print.
LOG_LINE = re.compile(r"(DEBUG|INFO|WARNING|ERROR|CRITICAL) ([\w.]+): (.*)")

Listener = Callable[[WorkerNews], None]


class WorkerProcess:
    """One running worker. Everything it says about a task is put into `messages`; None is its
    end."""

    def __init__(self, process: Process, listener: Listener) -> None:
        self.messages: asyncio.Queue[TaskMessage | None] = asyncio.Queue()
        self.ready: asyncio.Future[WorkerReady] = asyncio.get_running_loop().create_future()
        self.alive = True
        self._process = process
        self._listener = listener
        self._resident: set[str] = set()
        self._last_words: deque[str] = deque(maxlen=20)
        self._logging = asyncio.create_task(self._log())
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def spawn(cls, options: dict[str, Any], listener: Listener) -> WorkerProcess:
        """Start a worker; it is usable once `ready` is done.

        Raises:
            WorkerLost: the system starts no process.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                # -P: a `server.py` in the current folder must not be taken for ours.
                *(sys.executable, "-P", "-m", "server.worker", "--options", json.dumps(options)),
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                env=_environment(),
            )
        except OSError as error:
            raise WorkerLost(f"The worker could not be started: {error}.") from error
        return cls(process, listener)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def last_words(self) -> str:
        """The end of what it wrote to standard error."""
        return "\n".join(self._last_words)

    def send(self, command: Command) -> None:
        """Send a command; when the worker is gone, reading will tell."""
        assert self._process.stdin is not None
        if isinstance(command, LoadModel):
            self._resident.add(command.model)
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
        await asyncio.wait([self._reading], timeout=CLOSE_LIMIT)
        self.kill()
        self._logging.cancel()
        await asyncio.gather(self._reading, self._logging, return_exceptions=True)
        # `Process` has no word for letting go of pipes that a child of the child holds open.
        self._process._transport.close()  # type: ignore[attr-defined]

    async def _read(self) -> None:
        assert self._process.stdout is not None
        try:
            while (message := await wire.receive(self._process.stdout)) is not None:
                self._sort(message)
        except wire.ProtocolError:
            log.exception("worker %d sent nonsense and is ended", self.pid)
        finally:
            code = await self._exit_code()
            self.kill()  # without its pipe nothing more can come of it
            # Its children may hold its standard error for as long as they like.
            await asyncio.wait([self._logging], timeout=EXIT_LIMIT)
            self._announce_end(code)

    async def _exit_code(self) -> int | None:
        """The exit code; None when it lives on. `Process.wait` would wait for all who hold its
        pipes, its children among them."""
        for _ in range(int(EXIT_LIMIT / 0.01)):
            if self._process.returncode is not None:
                break
            await asyncio.sleep(0.01)
        return self._process.returncode

    def _announce_end(self, code: int | None) -> None:
        if code == 0:
            log.info("worker %d ended", self.pid)
        else:
            log.warning("worker %d ended with code %s", self.pid, code)
            # One that ends in order has said what is free without its models.
            self._listener(DeviceMemory())
        self.alive = False
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
                # One that dies while it loads a model has freed it as well.
                is_there = state in ("loading", "loaded", "in_ram")
                (self._resident.add if is_there else self._resident.discard)(model)
                self._listener(message)
            case PluginFault() | DeviceMemory():
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


def _log_line(text: str) -> None:
    """Log a line of the worker's as if it had been logged here."""
    found = LOG_LINE.fullmatch(text)
    if found is None:
        worker_log.info("%s", text)
        return
    level, name, message = found.groups()
    logging.getLogger(name).log(logging.getLevelNamesMapping()[level], "%s", message)


def _environment() -> dict[str, str]:
    """This process's environment; a checkout that is not installed is made importable."""
    root = checkout()
    if root is None:
        return dict(os.environ)
    path = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), *([path] if path else [])])}


async def _line(stream: asyncio.StreamReader) -> bytes:
    """The next line; one longer than the reader's buffer comes in pieces."""
    try:
        return await stream.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        return error.partial
    except asyncio.LimitOverrunError as error:
        return await stream.read(error.consumed)
