"""What reporting costs on the generation thread, in real workers.

    python benchmarks/generation_thread.py [--rounds 5]

Per step: the cancel check, the progress message and the start of a preview. Per image: handing
it to the encoder. The aims are 1 ms and 2 ms; in brackets the least of the rounds, since whatever
else uses the cores only ever adds. Times of whole images with and without previews are there to
compare; the workers take turns, each with one thread.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from _measuring import ROOT, median, ratio, table, turns
from _pipelines import save

from server.model_entry import ModelEntry
from server.snapshots import ImageReady, RunTask, TaskFailed, TaskFinished, Weights, WorkerReady
from server.worker import wire
from server.worker.options import WorkerOptions

#: What is compared: name and `preview_interval`, that without previews last.
PREVIEWS = {"every step": 0.0, "every 150 ms": 0.15, "off": -1.0}


class Case(NamedTuple):
    """A model and a request."""

    model: str
    family: str
    title: str
    edge: int
    steps: int


CASES = (
    Case("postcard", "postcard", "the embedded model", 128, 20),
    Case("sdxl-base", "sdxl", "SDXL, very small", 1024, 8),
    Case("flux-dev", "flux", "FLUX, very small", 1024, 8),
)


class Worker:
    """A worker process; `close` ends it."""

    def __init__(self, interval: float, folder: Path) -> None:
        options = WorkerOptions(
            device="cpu",
            preview_interval=interval,
            keep_alive=-1,
            log_level="warning",
            models=tuple(
                ModelEntry(id=case.model, source=str(weights(case, folder)))
                for case in CASES
                if case.model != case.family
            ),
        )
        self._folder = folder
        self._attempts = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "server.worker", "--options", options.model_dump_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        self._until(WorkerReady)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def image(self, case: Case, host: dict[str, list[float]]) -> float:
        """Make one image: its seconds. What the reporting cost is added to `host`."""
        params = {"prompt": "a sailboat on the sea at sunset", "seed": 1, "steps": case.steps}
        task = {
            "job_id": "benchmark",
            "model": case.model,
            "family": case.family,
            "params": {**params, "width": case.edge, "height": case.edge},
            "indices": [0],
        }
        self._attempts += 1
        path = str(weights(case, self._folder))
        self._send(RunTask(task, self._attempts, Weights(path=path, components={}, config=None)))
        messages = self._until(TaskFinished)
        spent = messages[-1].host_seconds
        host["step"].append(1000 * spent["steps"] / case.steps)
        host["image"].append(1000 * spent["images"])
        (image,) = [message for message in messages if isinstance(message, ImageReady)]
        return image.seconds

    def _send(self, command: RunTask) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(wire.encode(command))
        self._process.stdin.flush()

    def _until(self, kind: type[Any]) -> list[Any]:
        """The messages up to the first of a kind."""
        messages: list[Any] = []
        while (message := wire.read(cast(BinaryIO, self._process.stdout))) is not None:
            messages.append(message)
            if isinstance(message, kind):
                return messages
            if isinstance(message, TaskFailed):
                raise SystemExit(message.message)
        raise SystemExit(f"the worker ended before it sent {kind.__name__}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for case in CASES:
            if case.model != case.family:
                save(case.model, {}, weights(case, folder), seed=1)
        with (
            closing(Worker(PREVIEWS["every step"], folder)) as every,
            closing(Worker(PREVIEWS["every 150 ms"], folder)) as some,
            closing(Worker(PREVIEWS["off"], folder)) as none,
        ):
            workers = (every, some, none)
            rows = [row for case in CASES for row in measure(case, workers, given.rounds)]
    table(f"The generation thread, median of {given.rounds}", rows)


def measure(case: Case, workers: tuple[Worker, ...], rounds: int) -> list[dict[str, Any]]:
    """One model in all workers."""
    hosts: list[dict[str, list[float]]] = [{"step": [], "image": []} for _ in workers]
    sides: list[Callable[[], float]] = [
        partial(worker.image, case, host) for worker, host in zip(workers, hosts, strict=True)
    ]
    turns(1, *sides)  # loads, and starts the threads
    for host in hosts:
        for values in host.values():
            values.clear()
    seconds = turns(rounds, *sides)
    return [
        {
            "model": f"{case.title}, {case.edge} × {case.edge}, {case.steps} steps",
            "previews": name,
            "host ms per step": spread(host["step"]),
            "host ms per image": spread(host["image"]),
            "ms per image": f"{1000 * median(taken):.0f}",
            "over no previews": ratio(taken, seconds[-1]) if taken is not seconds[-1] else "",
        }
        for name, host, taken in zip(PREVIEWS, hosts, seconds, strict=True)
    ]


def spread(values: list[float]) -> str:
    """The middle of the rounds and the least."""
    return f"{median(values):.2f} ({min(values):.2f})"


def weights(case: Case, folder: Path) -> Path:
    """Where a case's weights lie."""
    if case.model == case.family:
        return ROOT / "model_plugins" / case.family / "weights"
    return folder / case.model


if __name__ == "__main__":
    main()
