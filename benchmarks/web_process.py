"""How small the web process is and how soon it listens, each as a ratio measured in this run.

Memory is compared with a bare FastAPI process, start-up with `python -c 'import fastapi'`. The
aims of the project: at most 100 MiB resident when idle, listening within 2 s.

    python benchmarks/web_process.py [--runs N] [--json]
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

BARE = "import fastapi, uvicorn, sys; print('ready', flush=True); sys.stdin.read()"
ROOT = Path(__file__).resolve().parent.parent
MIB = 2**20


def start(command: list[str], ready: str) -> tuple[subprocess.Popen[str], float]:
    """A process and the seconds until it printed `ready`."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if re.search(ready, line):
            return process, time.perf_counter() - began
    raise SystemExit(f"{command} ended before it was ready")


def resident(process: subprocess.Popen[str]) -> float:
    """The process's own resident memory in MiB; its children are not counted."""
    return psutil.Process(process.pid).memory_info().rss / MIB


def measure_bare() -> tuple[float, float]:
    """Seconds and MiB of a process that only imports the web framework."""
    process, seconds = start([sys.executable, "-c", BARE], "ready")
    size = resident(process)
    process.kill()
    process.communicate()
    return seconds, size


def measure_server() -> tuple[float, float]:
    """Seconds until `darkroom serve` listens, and its MiB once the model is ready and it idles."""
    with tempfile.TemporaryDirectory() as data:
        command = [sys.executable, "-m", "server", "serve", "--port", "0", "--data", data]
        process, seconds = start(command, "serves on")
        assert process.stdout is not None
        for line in process.stdout:
            if "is ready" in line:
                break
        time.sleep(1)
        size = resident(process)
        process.terminate()
        process.communicate()
    return seconds, size


def main() -> None:
    """Measure in turns and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--runs", type=int, default=3, help="how many times each is started")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    turns = [(measure_bare(), measure_server()) for _ in range(arguments.runs)]
    bare_seconds, bare_size = (statistics.median(bare[i] for bare, _ in turns) for i in (0, 1))
    seconds, size = (statistics.median(ours[i] for _, ours in turns) for i in (0, 1))
    result = {
        "listening_seconds": round(seconds, 2),
        "listening_ratio": round(seconds / bare_seconds, 2),
        "idle_mib": round(size, 1),
        "idle_ratio": round(size / bare_size, 2),
    }
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"listening after   {seconds:6.2f} s    {result['listening_ratio']:.2f} × bare FastAPI")
    print(f"resident, idle    {size:6.1f} MiB  {result['idle_ratio']:.2f} × bare FastAPI")


if __name__ == "__main__":
    main()
