"""How well the judges judge: on drawn scenes, and on these as the autoencoder shows them.

The latter is the most that any denoiser can reach.
"""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import torch

from .drawing import Picture, draw
from .figures import Tally
from .judge_landscape import Judge
from .latents import encode
from .scenes import FlatScene, Landscape, Scene, sample_landscape, sample_scene
from .stream import to_tensor
from .verdicts import judge_flat, judge_landscape, judge_pair, judge_removal
from .words import EXTRAS, IN_SKY, ON_TERRAIN

Show: TypeAlias = Callable[[Scene], Picture]


def show_drawn(scene: Scene) -> Picture:
    """The scene as it is drawn."""
    return np.asarray(draw(scene))


def show_decoded(autoencoder: Any) -> Show:
    """Shows scenes as they come back from the autoencoder."""

    @torch.no_grad()
    def show(scene: Scene) -> Picture:
        decoded = autoencoder.decode(encode(to_tensor([scene]))).sample[0] / 2 + 0.5
        pixels: Picture = (decoded.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
        return pixels

    return show


def examine_drawn(
    show: Show, judge: Judge, groups: tuple[str, ...], count: int, seed: str
) -> Tally:
    """Judges ``count`` scenes of each of the groups (those that have no drawn scenes left out)."""
    tally = Tally()
    for group in groups:
        rng = random.Random(f"{seed} {group}")
        for _ in range(count if group in EXAMINERS else 0):
            EXAMINERS[group](show, judge, rng, tally)
    return tally


def _examine_flat(show: Show, _judge: Judge, rng: random.Random, tally: Tally) -> None:
    scene = _sample_flat(rng, things=1)
    wanted = {"ground": scene.ground, "held_out": False, **vars(scene.things[0])}
    tally.judge(judge_flat(show(scene), wanted))


def _examine_pair(show: Show, _judge: Judge, rng: random.Random, tally: Tally) -> None:
    scene = _sample_flat(rng, things=2)
    wanted = {"ground": scene.ground, "things": [vars(thing) for thing in scene.things]}
    tally.judge(judge_pair(show(scene), wanted))


def _sample_flat(rng: random.Random, things: int) -> FlatScene:
    while True:
        scene = sample_scene(rng)
        if isinstance(scene, FlatScene) and len(scene.things) == things:
            return scene


def _examine_landscape(show: Show, judge: Judge, rng: random.Random, tally: Tally) -> None:
    scene = sample_landscape(rng)
    picture, names = show(scene), [extra.name for extra in scene.extras]
    tally.judge(judge_landscape(judge, picture, {**vars(scene), "extras": names}))
    seen = judge.look(picture).extras
    absent = [name for name in possible_extras(scene) if name not in names]
    tally.judge([("absent extra not seen", name not in seen) for name in absent])


def possible_extras(scene: Landscape) -> list[str]:
    """What may stand and hang in such a landscape."""
    possible = (*ON_TERRAIN[scene.terrain], *IN_SKY[scene.time])
    return [name for name in EXTRAS if name in possible]


def _examine_negative(show: Show, judge: Judge, rng: random.Random, tally: Tally) -> None:
    """The same landscape with something in the sky and without it."""
    scene = sample_landscape(rng)
    hanging = [extra for extra in scene.extras if extra.name in IN_SKY[scene.time]]
    if hanging and hanging[0].name in judge.look(show(scene)).extras:
        others = tuple(extra for extra in scene.extras if extra != hanging[0])
        tally.judge(judge_removal(judge, show(replace(scene, extras=others)), hanging[0].name))


EXAMINERS: dict[str, Callable[[Show, Judge, random.Random, Tally], None]] = {
    "flat": _examine_flat,
    "pairs": _examine_pair,
    "landscapes": _examine_landscape,
    "negatives": _examine_negative,
}
