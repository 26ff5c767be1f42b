"""Switching between two models beside loading one of them with plain diffusers.

    python benchmarks/model_switch.py [--rounds 7]

Two pipelines like SDXL, of half a gigabyte in float16, take turns in one server, which holds them
in float32 as plain diffusers does. What a switch costs is the time from a job's start to the first
step of its image; once with the model in memory, once after it was unloaded. The files are in the
system's cache for everybody. The aim of the project is 0.3 for a switch that finds the model in
memory.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _bare import BareDiffusers
from _measuring import median, ratio, table, turns
from _pipelines import MIDDLING, save
from _server import serve, write_config

from tests.servers import ServerProcess

MODELS = ("first", "second")
LIKE = "sdxl-base"

#: As little work as a job can be.
WORDS: dict[str, Any] = {"width": 64, "height": 64, "steps": 1, "cfg_scale": 1.0, "seed": 1}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for seed, model in enumerate(MODELS):  # different bytes: nothing can be shared
            save(LIKE, MIDDLING, folder / model, seed=seed, dtype="float16")
        config = write_config(folder, dict.fromkeys(MODELS, LIKE))
        with (
            serve(folder, "--device", given.device, config=config) as server,
            BareDiffusers() as bare,
        ):
            size = sum(file.stat().st_size for file in (folder / MODELS[0]).rglob("*.safetensors"))
            rows = measure(folder, server, bare, given.rounds, given.device)
    table(f"A model of {size / 1e9:.2f} GB, median of {given.rounds}", rows)


def measure(
    folder: Path, server: ServerProcess, bare: BareDiffusers, rounds: int, device: str
) -> list[dict[str, Any]]:
    """Loading by plain diffusers, switching in memory, and loading by the server, in turns."""
    others = itertools.cycle(MODELS)

    def loaded() -> float:
        return bare.load(folder / next(others), device=device)

    def switched() -> float:
        return switch(server, lambda model: None)

    def reloaded() -> float:
        return switch(server, lambda model: unload(server, model))

    turns(1, loaded, reloaded, switched)  # lets everything be imported
    bare_seconds, *ours = turns(rounds, loaded, switched, reloaded)
    rows = [
        {"": "plain `from_pretrained`", "ms": f"{1000 * median(bare_seconds):.1f}", "ratio": ""}
    ]
    titles = ("switch to a model in memory", "load after an unload")
    for title, measured in zip(titles, ours, strict=True):
        times = ratio(measured, bare_seconds)
        rows.append({"": title, "ms": f"{1000 * median(measured):.1f}", "ratio": str(times)})
    return rows


def switch(server: ServerProcess, before: Callable[[str], None]) -> float:
    """How long a job waits for its model after a job with the other one."""
    here, there = MODELS
    wait_for_model(server, here)
    before(there)
    return wait_for_model(server, there)


def wait_for_model(server: ServerProcess, model: str) -> float:
    """Run a job: the seconds between its start and that of its first image."""
    seen: dict[str | None, float] = {}
    for shown in server.snapshots(server.submit(model=model, **WORDS)):
        for word in (shown["status"], shown["phase"]):
            seen.setdefault(word, time.perf_counter())
    if "completed" not in seen:
        raise SystemExit(f"a job of {model} failed: {shown['error']}")
    return seen["generating"] - seen["processing"]


def unload(server: ServerProcess, model: str) -> None:
    """Free a model's memory and wait until that is done."""
    answer = server.client.post(f"/api/models/{model}/unload")
    answer.raise_for_status()
    while state(server, model) != "on_disk":
        time.sleep(0.01)


def state(server: ServerProcess, model: str) -> str:
    """Where the server says that a model is."""
    models = server.get("/api/models")["models"]
    return str(next(each["state"] for each in models if each["id"] == model))


if __name__ == "__main__":
    main()
