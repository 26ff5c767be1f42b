"""A whole job of a real server, over HTTP, beside the bare call of the same pipeline.

    python benchmarks/whole_job.py [--rounds 9] [--quick]

From the request to the last event of its stream: queue, database, worker, previews, PNG, recipe,
thumbnail and both files on the disk are in the server's time; the plain call ends with the image in
memory. Both sides compute with one thread, in turns, and must make the same pixels.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from _bare import BareDiffusers
from _measuring import ROOT, median, ratio, table, turns
from _pipelines import MIDDLING, Sizes, save
from _server import job, serve, write_config

from tests.servers import ServerProcess

PROMPT = "a sailboat on the sea at sunset"
SAMPLER = "euler"


class Case(NamedTuple):
    """A model and a request. Without `like` the model is one that the checkout brings along."""

    model: str
    title: str
    edge: int
    steps: int
    like: str = ""
    sizes: Sizes = MappingProxyType({})


CASES = (
    Case("postcard", "the embedded model", 128, 20),
    Case("small", "SDXL, very small", 256, 20, "sdxl-base"),
    Case("middling", "SDXL, a tenth", 128, 4, "sdxl-base", MIDDLING),
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--quick", action="store_true", help="without the largest model")
    given = parser.parse_args()
    cases = CASES[:-1] if given.quick else CASES
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for case in cases:
            if case.like:
                save(case.like, case.sizes, folder / case.model, seed=1)
        config = write_config(folder, {case.model: case.like for case in cases if case.like})
        with (
            serve(folder, "--device", "cpu", config=config) as server,
            closing(BareDiffusers()) as bare,
        ):
            rows = [measure(case, folder, server, bare, given.rounds) for case in cases]
    table(f"Whole jobs, one image each, median of {given.rounds}", rows)


def measure(
    case: Case, folder: Path, server: ServerProcess, bare: BareDiffusers, rounds: int
) -> dict[str, Any]:
    """One model on both sides."""
    weights = folder / case.model
    bare.load(weights if case.like else ROOT / "model_plugins" / case.model / "weights")
    words: dict[str, Any] = {"width": case.edge, "height": case.edge, "prompt": PROMPT}
    seen: dict[str, str] = {}

    def served(seed: int = 1) -> float:
        taken, seen["server"] = job(
            server,
            **words,
            model=case.model,
            steps=case.steps,
            cfg_scale=5.0,
            sampler=SAMPLER,
            seed=seed,
        )
        return taken

    def called(seed: int = 1) -> float:
        taken, seen["plain"] = bare.image(
            SAMPLER, seed, **words, num_inference_steps=case.steps, guidance_scale=5.0
        )
        return taken

    turns(1, served, called)  # loads, and lets everything be imported
    ours, theirs = turns(rounds, served, called)
    if seen["server"] != seen["plain"]:
        raise SystemExit(f"{case.model}: the two sides made different images")
    return {
        "model": case.title,
        "job": f"{case.edge} × {case.edge}, {case.steps} steps",
        "server": f"{median(ours):.3f} s",
        "plain diffusers": f"{median(theirs):.3f} s",
        "more": f"{1000 * (median(ours) - median(theirs)):.0f} ms",
        "ratio": ratio(ours, theirs),
    }


if __name__ == "__main__":
    main()
