"""What reporting costs on the generation thread, in a real worker with the embedded model.

    python benchmarks/generation_thread.py [--images 4] [--steps 20] [--size 128] [--json]

Per step: the cancel check, the progress message and the start of a preview. Per image: handing
it to the encoder. The aims are 1 ms and 2 ms; images and steps themselves are there to compare.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from server.snapshots import (  # noqa: E402 - the checkout's own, wherever this is run
    ImageReady,
    LoadModel,
    ModelState,
    PreviewReady,
    RunTask,
    StepDone,
    TaskFailed,
    TaskFinished,
    WorkerReady,
)
from server.worker import wire  # noqa: E402
from server.worker.options import WorkerOptions  # noqa: E402

MODEL = "postcard"
WEIGHTS = str(ROOT / "model_plugins" / MODEL / "weights")

#: What is compared: name and `preview_interval`.
PREVIEWS = {"every step": 0.0, "every 150 ms": 0.15, "off": -1.0}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    params = {
        "prompt": "a sailboat on the sea at sunset",
        "seed": 1,
        "steps": arguments.steps,
        "width": arguments.size,
        "height": arguments.size,
        "num_images": arguments.images,
    }
    rows = [measure(name, interval, params) for name, interval in PREVIEWS.items()]
    if arguments.json:
        print(json.dumps(rows, indent=1))
        return
    print("".join(f"{title:>17}" for title in rows[0]))
    for row in rows:
        print("".join(f"{value:>17}" for value in row.values()))


def measure(name: str, interval: float, params: dict[str, Any]) -> dict[str, Any]:
    """One worker, one task."""
    options = WorkerOptions(preview_interval=interval, keep_alive=-1, log_level="warning")
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "server.worker", "--options", options.model_dump_json()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    with process:
        until(process, WorkerReady)
        ready = time.perf_counter()
        send(process, LoadModel(MODEL, WEIGHTS))
        until(process, ModelState)  # loading
        until(process, ModelState)
        loaded = time.perf_counter()
        task = {"job_id": "benchmark", "model": MODEL, "family": MODEL, "params": params}
        send(process, RunTask({**task, "indices": list(range(params["num_images"]))}, 1, WEIGHTS))
        messages = until(process, TaskFinished)
        process.kill()
    images = [message.seconds for message in messages if isinstance(message, ImageReady)]
    steps = len(images) * params["steps"]
    host = messages[-1].host_seconds
    return {
        "previews": name,
        "host ms/step": round(1000 * host["steps"] / steps, 3),
        "host ms/image": round(1000 * host["images"] / len(images), 3),
        "ms/image": round(1000 * sum(images) / len(images)),
        "steps seen": sum(isinstance(message, StepDone) for message in messages),
        "previews seen": sum(isinstance(message, PreviewReady) for message in messages),
        "s to ready": round(ready - began, 2),
        "s to loaded": round(loaded - began, 2),
    }


def send(process: subprocess.Popen[bytes], command: RunTask | LoadModel) -> None:
    """Write one command."""
    assert process.stdin is not None
    process.stdin.write(wire.encode(command))
    process.stdin.flush()


def until(process: subprocess.Popen[bytes], kind: type[Any]) -> list[Any]:
    """Read up to the first message of a kind."""
    assert process.stdout is not None
    messages: list[Any] = []
    while (message := wire.read(process.stdout)) is not None:
        messages.append(message)
        if isinstance(message, kind):
            return messages
        if isinstance(message, TaskFailed):
            sys.exit(message.message)
    sys.exit(f"the worker ended before it sent {kind.__name__}")


if __name__ == "__main__":
    main()
