"""Switching between two models beside loading one of them with plain diffusers.

    python benchmarks/model_switch.py [--rounds 7]

Two pipelines like SDXL, of half a gigabyte in float16, take turns in one worker process, which
holds them in float32 as plain diffusers does. What a switch costs is the time from the command to
load a model, over the pipe, to the word that it is ready; once with the model in memory, once
after it was unloaded. The files are in the system's cache for everybody. The aim of the project is
0.3 for a switch that finds the model in memory.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from contextlib import closing
from pathlib import Path
from time import perf_counter
from typing import Any

from _bare import BareDiffusers
from _measuring import median, ratio, table, turns
from _pipelines import MIDDLING, save

from server.model_entry import ModelEntry
from server.snapshots import LoadModel, ModelState, UnloadModel
from tests.support import weights_at
from tests.unit.worker.processes import Worker, worker

MODELS = ("first", "second")
LIKE = "sdxl-base"


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
        entries = [ModelEntry(id=name, like=LIKE, source=str(folder / name)) for name in MODELS]
        with (
            worker(device=given.device, models=entries) as process,
            closing(BareDiffusers()) as bare,
        ):
            size = sum(file.stat().st_size for file in (folder / MODELS[0]).rglob("*.safetensors"))
            rows = measure(folder, process, bare, given.rounds, given.device)
    table(f"A model of {size / 1e9:.2f} GB, median of {given.rounds}", rows)


def measure(
    folder: Path, process: Worker, bare: BareDiffusers, rounds: int, device: str
) -> list[dict[str, Any]]:
    """Loading by plain diffusers, switching in memory, and loading by the worker, in turns."""
    others = itertools.cycle(MODELS)

    def loaded() -> float:
        return bare.load(folder / next(others), device=device)

    def switched() -> float:
        return switch(process, folder, unloaded=False)

    def reloaded() -> float:
        return switch(process, folder, unloaded=True)

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


def switch(process: Worker, folder: Path, *, unloaded: bool) -> float:
    """The seconds until a model is ready after the other one was."""
    here, there = MODELS
    load(process, folder, here)
    if unloaded:
        process.send(UnloadModel(there))
        wait_for(process, there, "unloaded")
    return load(process, folder, there)


def load(process: Worker, folder: Path, model: str) -> float:
    """Load a model; the seconds until it is ready."""
    began = perf_counter()
    process.send(LoadModel(model, weights_at(folder / model)))
    wait_for(process, model, "loaded")
    return perf_counter() - began


def wait_for(process: Worker, model: str, state: str) -> None:
    """Read what the worker says until a model is in a state."""
    while (message := process.next()) is not None:
        if isinstance(message, ModelState) and message.model == model:
            if message.state == "failed":
                raise SystemExit(f"{model} failed: {message.message}")
            if message.state == state:
                return
    raise SystemExit("the worker ended")


if __name__ == "__main__":
    main()
