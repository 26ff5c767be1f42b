"""Switching between two LoRAs at FLUX's depth, beside plain diffusers that unloads and loads.

    python benchmarks/lora_switch.py [--rounds 15]

A FLUX pipeline of the real depth (19 double and 38 single blocks) and a small width, with two LoRAs
of rank 16 on every linear layer of the blocks. A switch is the time until the other LoRA acts: in
memory, or read from its file; naively it is `unload_lora_weights`, `load_lora_weights` and
`set_adapters`. Then whole jobs of four steps: with the other LoRA each time, and with the same one.
And a step of the denoiser with a LoRA beside one with the layers of peft. The aims of the project
for a switch are 0.05 in memory and 0.25 from the file.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

from _measuring import median, ratio, seconds, table, turns
from _pipelines import save

import torch  # isort: skip

from model_plugins.flux.lora import NAMES
from server.plugins.types import LoraFile
from server.worker.lora_stack import LoraStack
from tests.families import lora_files, plain_diffusers

DEEP = {"transformer": {"num_layers": 19, "num_single_layers": 38}}
RANK = 16
KEEP = 2**31


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    warnings.filterwarnings("ignore", "Already found a `peft_config`")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = save("flux-dev", DEEP, Path(temporary) / "flux", seed=0)
        ours, theirs = plain_diffusers.load(folder), plain_diffusers.load(folder)
        loras = write(ours, Path(temporary))
        measure(Ours(ours, loras), Naive(theirs, loras), given.rounds)


def write(pipe: Any, folder: Path) -> list[Path]:
    """Two LoRAs for the linear layers of the blocks."""
    layers = {
        name: shape
        for name, shape in lora_files.modules_of(pipe.transformer).items()
        if "transformer_blocks" in name
    }
    return [
        lora_files.write(folder / f"{seed}.safetensors", layers, rank=RANK, seed=seed, gain=0.1)
        for seed in (1, 2)
    ]


class Ours:
    """A pipeline with our LoRAs."""

    def __init__(self, pipe: Any, paths: list[Path]) -> None:
        self.pipe = pipe
        self._stack = LoraStack(pipe, NAMES)
        self._files = [LoraFile(path.stem, path, 0.8) for path in paths]
        self.others = cycle(self._files)

    def switch(self) -> None:
        """To the other LoRA, in memory after the first time."""
        self._stack.apply([next(self.others)], KEEP)

    def load(self) -> None:
        """To the other LoRA, from its file."""
        self._stack.apply([next(self.others)], 0)

    def forget(self) -> None:
        """Leave nothing in memory."""
        self._stack.apply((), 0)

    def job(self, *, same: bool) -> None:
        """A job, from LoRA to latents and back to none."""
        self._stack.apply([self._files[0] if same else next(self.others)], KEEP)
        draw(self.pipe)
        self._stack.apply((), KEEP)


class Naive:
    """A pipeline of plain diffusers."""

    def __init__(self, pipe: Any, paths: list[Path]) -> None:
        self.pipe = pipe
        self._others = cycle(paths)
        self.switch()

    def switch(self) -> None:
        """To the other LoRA."""
        path = next(self._others)
        self.pipe.unload_lora_weights()
        self.pipe.load_lora_weights(path.parent, weight_name=path.name, adapter_name="style")
        self.pipe.set_adapters(["style"], [0.8])


def draw(pipe: Any, steps: int = 4) -> None:
    """Latents of a small image."""
    pipe(
        "a cat",
        width=64,
        height=64,
        num_inference_steps=steps,
        generator=torch.Generator().manual_seed(1),
        output_type="latent",
    )


def measure(ours: Ours, naive: Naive, rounds: int) -> None:
    """Switches, jobs and steps, each in turns."""

    def new() -> None:
        ours.forget()
        ours.load()

    turns(2, lambda: seconds(ours.switch), lambda: seconds(naive.switch))
    resident, from_file, naively = _timed(rounds, ours.switch, new, naive.switch)
    table(
        f"A switch of LoRAs, median of {rounds}",
        [
            _row("plain diffusers: unload, load, set", naively, None),
            _row("in memory", resident, naively),
            _row("from its file", from_file, naively),
        ],
    )
    other, same = _timed(rounds, lambda: ours.job(same=False), lambda: ours.job(same=True))
    table(
        f"Jobs of four steps, median of {rounds}",
        [_row("the same LoRA", same, None), _row("another each time", other, same)],
    )
    ours.switch()
    hooked, layered = _timed(rounds, lambda: draw(ours.pipe, 1), lambda: draw(naive.pipe, 1))
    ours.forget()
    naive.pipe.unload_lora_weights()
    bare = [seconds(lambda: draw(naive.pipe, 1)) for _ in range(rounds)]
    table(
        f"A step with a LoRA, median of {rounds}",
        [
            _row("without any", bare, None),
            _row("peft's layers", layered, bare),
            _row("ours", hooked, bare),
        ],
    )


def _timed(rounds: int, *works: Callable[[], None]) -> list[list[float]]:
    return turns(rounds, *(lambda work=work: seconds(work) for work in works))


def _row(title: str, measured: list[float], beside: list[float] | None) -> dict[str, Any]:
    compared = "" if beside is None else str(ratio(measured, beside))
    return {"": title, "ms": f"{1000 * median(measured):.1f}", "ratio": compared}


if __name__ == "__main__":
    main()
