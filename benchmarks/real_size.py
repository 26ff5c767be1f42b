"""The families at their real sizes on a GPU, through the whole server, beside plain diffusers.

    python benchmarks/real_size.py [--models sdxl-base flux-dev] [--rounds 3] [--folder FOLDER]

The weights are random, drawn on the GPU in bfloat16 and written to a temporary folder: nothing is
downloaded, and a picture of noise takes as long as any other. Every model has a server of its own,
started after plain diffusers has ended. Both sides must make the same pixels. Needs up to 34 GB
of disk in FOLDER at a time. `--tiny --device cpu` runs all of it on the small pipelines instead.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from _bare import BareDiffusers
from _measuring import ROOT, median, seconds, table
from _pipelines import parameters, save
from _server import job, serve
from _sizes import GIGABYTES, SIZES

from tests.families.build import STAND_INS, write_config
from tests.families.published import MODELS, OF_EACH_FAMILY

PLUGINS = ROOT / "benchmarks" / "_plugins"
PROMPT = "a sailboat on the sea at sunset"

#: A GPU needs this many times the weights' size: activations, and what else is in memory.
ROOM = 1.3


def main() -> None:
    """Measure and print."""
    families = [model for model in OF_EACH_FAMILY if model in STAND_INS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", choices=families, default=families)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--edge", type=int, default=1024)
    parser.add_argument("--folder", type=Path, help="where to put the weights for a while")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="with the small pipelines")
    given = parser.parse_args()
    if given.device.startswith("cuda") and not has_gpu():
        print("No GPU on this machine: real sizes are not measured.")
        return
    rows = []
    for model in given.models:
        with tempfile.TemporaryDirectory(dir=given.folder) as temporary:
            folder = Path(temporary)
            lacking = None if given.tiny else shortage(model, folder, given.device)
            if lacking is not None:
                print(f"{model} is left out: {lacking}.")
                continue
            rows.append(measure(model, folder, given))
    if rows:
        table(f"Real sizes, {given.edge} × {given.edge}, median of {given.rounds}", rows)
    sys.exit(any(row["same pixels"] != "yes" for row in rows))


def has_gpu() -> bool:
    """Whether torch can use one."""
    import torch

    return torch.cuda.is_available()


def shortage(model: str, folder: Path, device: str) -> str | None:
    """What there is too little of for this model, if anything."""
    import torch

    need = GIGABYTES[STAND_INS[model]] * 10**9
    if shutil.disk_usage(folder).free < 1.05 * need:
        return f"{need / 1e9:.0f} GB of disk are needed"
    if torch.cuda.mem_get_info(device)[0] < ROOM * need:
        return f"{ROOM * need / 1e9:.0f} GB of free GPU memory are needed"
    return None


def measure(model: str, folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """One model on both sides, one after the other: they need not fit beside each other."""
    name = STAND_INS[model]
    dtype = "float32" if given.device == "cpu" else "bfloat16"
    sizes = {} if given.tiny else SIZES[name]
    weights = save(name, sizes, folder / name, seed=1, device=given.device, dtype=dtype)
    words: dict[str, Any] = {"prompt": PROMPT, "width": given.edge, "height": given.edge, "seed": 1}
    arguments = MODELS[model].arguments(words)
    with closing(BareDiffusers()) as bare:
        loading = bare.load(weights, dtype, given.device)
        plain = repeated(given.rounds, lambda: bare.image(sampler(model), 1, **arguments))
        plain_peak = bare.peak()
    server_first, server, server_peak = served(model, name, folder, words, given)
    same = plain[-1][1] == server[-1][1]
    return {
        "model": model,
        "parameters": f"{parameters(weights) / 1e6:,.1f} M",
        "steps": MODELS[model].defaults["steps"],
        "server, s": f"{median([taken for taken, _ in server]):.2f}",
        "plain, s": f"{median([taken for taken, _ in plain]):.2f}",
        "server's first job, s": f"{server_first:.1f}",
        "plain loading, s": f"{loading:.1f}",
        "server, peak GB": f"{server_peak / 1e9:.2f}",
        "plain, peak GB": f"{plain_peak / 1e9:.2f}",
        "same pixels": "yes" if same else "NO",
    }


def served(
    model: str, name: str, folder: Path, words: dict[str, Any], given: argparse.Namespace
) -> tuple[float, list[tuple[float, str]], int]:
    """A fresh server: seconds of its first job, those of the next, and the worker's peak."""
    record = folder / "peak"
    os.environ["BENCHMARK_PEAK_FILE"] = str(record)
    os.environ["BENCHMARK_PEAK_DEVICE"] = given.device
    options = ("--device", given.device, "--plugin-folder", str(PLUGINS))
    with serve(folder, *options, config=write_config(folder, [name])) as server:
        first = seconds(lambda: job(server, model=model, **words))
        after = repeated(given.rounds, lambda: job(server, model=model, **words))
    return first, after, int(record.read_text())


def repeated(rounds: int, make: Callable[[], tuple[float, str]]) -> list[tuple[float, str]]:
    """Seconds and pixels of some rounds after one that is not counted."""
    make()
    return [make() for _ in range(rounds)]


def sampler(model: str) -> str:
    """The sampler that requests get which name none."""
    return MODELS[model].sampler({})


if __name__ == "__main__":
    main()
