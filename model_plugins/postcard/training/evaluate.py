"""Measures how well pictures follow their prompts; every figure comes with its 95 % interval."""

import json
import logging
import math
import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from .drawing import draw
from .judge_flat import look
from .judge_landscape import SEED, Judge
from .scenes import FlatScene, sample_landscape, sample_scene

log = logging.getLogger(__name__)

PROMPTS = Path(__file__).with_name("prompts.json")
DRAWN = 400  # scenes that the judges themselves are tested on
Z_95 = 1.959964

Verdicts = Iterator[tuple[str, bool]]


class Sampling(NamedTuple):
    """How to paint: number of steps and guidance scale."""

    steps: int = 20
    cfg: float = 3.0


def evaluate(pipeline: Any, judge: Judge, sampling: Sampling, seeds: int) -> dict[str, Any]:
    """Paints and judges every prompt of ``prompts.json`` with the first ``seeds`` of its seeds."""
    asked = json.loads(PROMPTS.read_text())
    tallies: dict[str, list[bool]] = defaultdict(list)
    for seed in asked["seeds"][:seeds]:
        for wanted in asked["flat"]:
            picture = paint(pipeline, wanted["prompt"], seed, sampling)
            _count(tallies, _judge_flat(picture, wanted))
        for wanted in asked["landscapes"]:
            picture = paint(pipeline, wanted["prompt"], seed, sampling)
            _count(tallies, _judge_landscape(judge, picture, wanted))
        log.info("judged seed %d", seed)
    return {
        **sampling._asdict(),
        "model": _figures(tallies),
        "judges_on_drawn_scenes": _figures(_judge_the_judges(judge)),
    }


def paint(pipeline: Any, prompt: str, seed: int, sampling: Sampling) -> NDArray[np.uint8]:
    """One picture [128, 128, 3] as the server would make it."""
    picture = pipeline(
        prompt,
        negative_prompt="",
        num_inference_steps=sampling.steps,
        guidance_scale=sampling.cfg,
        width=128,
        height=128,
        generator=torch.Generator().manual_seed(seed),
    ).images[0]
    return np.asarray(picture)


def _judge_flat(picture: NDArray[np.uint8], wanted: dict[str, Any]) -> Verdicts:
    seen = look(picture)
    suffix = ", held out" if wanted["held_out"] else ""
    yield "ground colour", seen.ground == wanted["ground"]
    for name in ("colour", "place", "shape"):
        yield f"object {name}{suffix}", getattr(seen, name) == wanted[name]


def _judge_landscape(judge: Judge, picture: NDArray[np.uint8], wanted: dict[str, Any]) -> Verdicts:
    seen = judge.look(picture)
    yield "terrain", seen.terrain == wanted["terrain"]
    yield "time of day", seen.time == wanted["time"]
    for name in wanted["extras"]:
        yield "named extra present", name in seen.extras


def _judge_the_judges(judge: Judge) -> dict[str, list[bool]]:
    """The judges' verdicts on drawn scenes of seeds that neither judge nor model learned from."""
    tallies: dict[str, list[bool]] = defaultdict(list)
    rng = random.Random(SEED - 1)
    while len(tallies["ground colour"]) < DRAWN:
        scene = sample_scene(rng)
        if isinstance(scene, FlatScene) and len(scene.things) == 1:
            thing = scene.things[0]
            wanted = {"ground": scene.ground, "held_out": False, **vars(thing)}
            _count(tallies, _judge_flat(np.asarray(draw(scene)), wanted))
    for _ in range(DRAWN):
        view = sample_landscape(rng)
        wanted = {**vars(view), "extras": [extra.name for extra in view.extras]}
        _count(tallies, _judge_landscape(judge, np.asarray(draw(view)), wanted))
    return tallies


def _count(tallies: dict[str, list[bool]], verdicts: Verdicts) -> None:
    for name, right in verdicts:
        tallies[name].append(right)


def _figures(tallies: dict[str, list[bool]]) -> dict[str, dict[str, float]]:
    figures = {}
    for name, verdicts in sorted(tallies.items()):
        least, most = wilson(sum(verdicts), len(verdicts))
        share = sum(verdicts) / len(verdicts)
        figures[name] = {"share": share, "least": least, "most": most, "count": len(verdicts)}
    return figures


def wilson(right: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share, by Wilson's formula."""
    share, z2 = right / count, Z_95**2
    centre = (share + z2 / (2 * count)) / (1 + z2 / count)
    spread = math.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    half = Z_95 * spread / (1 + z2 / count)
    return max(0.0, centre - half), min(1.0, centre + half)


def table(report: dict[str, Any]) -> str:
    """The report as a Markdown table."""
    judges = report["judges_on_drawn_scenes"]
    lines = ["| judged | right | 95 % interval | pictures | judge on drawn scenes |"]
    lines.append("|---|---|---|---|---|")
    for name, figure in report["model"].items():
        own = judges.get(name.removesuffix(", held out"))
        interval = f"{100 * figure['least']:.1f}–{100 * figure['most']:.1f} %"
        lines.append(
            f"| {name} | {100 * figure['share']:.1f} % | {interval} | {figure['count']} "
            f"| {100 * own['share']:.1f} % |"
        )
    return "\n".join(lines)
