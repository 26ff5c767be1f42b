"""A real worker process for tests, spoken to over its pipes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from server.snapshots import (
    Command,
    RunTask,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    WorkerMessage,
    WorkerReady,
)
from server.worker import wire
from server.worker.options import WorkerOptions
from tests.support import weights_at

ROOT = Path(__file__).parent.parent.parent.parent
JOB = "20260101_000000_00000000"


class Worker:
    """A worker that has said it is ready."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self.process = process
        self.stdin, self.stdout, self.stderr = process.stdin, process.stdout, process.stderr
        ready = self.next()
        assert isinstance(ready, WorkerReady)
        self.ready = ready

    def send(self, command: Command) -> None:
        self.stdin.write(wire.encode(command))
        self.stdin.flush()

    def next(self) -> WorkerMessage | None:
        return wire.read(self.stdout)  # type: ignore[return-value]

    def until(self, *kinds: type[Any]) -> list[WorkerMessage]:
        """Every message up to the first of these kinds."""
        messages: list[WorkerMessage] = []
        while (message := self.next()) is not None:
            messages.append(message)
            if isinstance(message, kinds):
                return messages
        raise AssertionError(f"the worker ended after {messages}")

    def run(self, task: RunTask) -> list[WorkerMessage]:
        """Every message up to the task's last."""
        self.send(task)
        return self.until(TaskFinished, TaskFailed, TaskCancelled)

    def rest(self) -> list[WorkerMessage]:
        """Every message until the worker ends of its own accord."""
        messages: list[WorkerMessage] = []
        while (message := self.next()) is not None:
            messages.append(message)
        return messages


@contextmanager
def worker(**options: Any) -> Iterator[Worker]:
    """A worker process on the CPU; `options` are `WorkerOptions`."""
    known = WorkerOptions(**{"device": "cpu", "keep_alive": -1, **options})
    told = known.model_dump_json(exclude_unset=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "server.worker", "--options", told],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    with process:
        try:
            yield Worker(process)
        finally:
            process.kill()


def task(model: str, weights: str = "/weights", attempt: int = 1, **params: Any) -> RunTask:
    """The command for a task of `model`, whose family has the same name."""
    count = params.setdefault("num_images", 1)
    wire_task = {"job_id": JOB, "model": model, "family": model, "indices": list(range(count))}
    return RunTask(
        {**wire_task, "params": {"prompt": "red", "seed": 1, **params}},
        attempt,
        weights_at(weights),
    )
