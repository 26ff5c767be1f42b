"""Has the model paint what is asked for, with every seed, and judges it."""

import json
import logging
from collections.abc import Callable, Iterable
from itertools import combinations
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from .drawing import Picture, draw
from .figures import Tally
from .judge_flat import centre_of_mass, foreground, look
from .judge_landscape import Judge
from .painting import Painter
from .repaintings import REPAINTINGS, Repainting
from .scenes import FlatScene, Scene
from .verdicts import (
    judge_flat,
    judge_free,
    judge_landscape,
    judge_pair,
    judge_removal,
    likeness,
)
from .words import SHAPES

log = logging.getLogger(__name__)

PROMPTS = Path(__file__).with_name("prompts.json")
# Added to each seed for negative prompts: what nobody asked for is seldom in a picture.
MORE_SEEDS = (0, 1000, 2000, 3000, 4000)
UNRELATED = "a red circle"  # a negative prompt about nothing that a landscape shows
JUDGED_SIZES = ((64, 64), (96, 160), (192, 112), (256, 128), (256, 256))  # width, height
LOW_STRENGTH, HIGH_STRENGTH = 0.3, 0.9
KEPT = 0.5  # likeness from which on the layout of a landscape counts as kept

# The seeds, and what is asked for by group.
Asked: TypeAlias = dict[str, list[Any]]


def read_asked() -> Asked:
    """Everything that is asked: ``prompts.json``, image to image, and other sizes."""
    asked: Asked = json.loads(PROMPTS.read_text())
    return {**asked, "repaintings": list(REPAINTINGS), "sizes": asked["flat"][: 2 * len(SHAPES)]}


class Examiner:
    """Asks one thing after another, each with every seed, and keeps the tally."""

    def __init__(self, painter: Painter, judge: Judge, seeds: list[int]) -> None:
        self.tally = Tally()
        self._painter, self._judge, self._seeds = painter, judge, seeds

    def flat(self, wanted: dict[str, Any]) -> None:
        """One thing on a ground."""
        pictures = self._paint(wanted)
        for picture in pictures:
            self.tally.judge(judge_flat(picture, wanted))
        self.tally.measure("pixels between the centres of two seeds, flat", distances(pictures))

    def pair(self, wanted: dict[str, Any]) -> None:
        """Two things on a ground."""
        for picture in self._paint(wanted):
            self.tally.judge(judge_pair(picture, wanted))

    def landscape(self, wanted: dict[str, Any]) -> None:
        """A landscape."""
        pictures = self._paint(wanted)
        for picture in pictures:
            self.tally.judge(judge_landscape(self._judge, picture, wanted))
        found = differences(pictures)
        self.tally.measure("difference between two seeds, landscapes (of 255)", found)

    def free(self, wanted: dict[str, Any]) -> None:
        """A prompt in words of its own; only what it says counts."""
        for picture in self._paint(wanted):
            self.tally.judge(judge_free(self._judge, picture, wanted))

    def negative(self, wanted: dict[str, str]) -> None:
        """A negative prompt: counts where the thing is seen while nothing is said against it.

        Another picture altogether would seldom show the thing either; so each is painted with a
        negative prompt about something else too, which should leave the thing there.
        """
        name = wanted["negative"]
        for seed in (seed + more for seed in self._seeds for more in MORE_SEEDS):
            picture = self._painter.paint(wanted["prompt"], seed)
            if name in self._judge.look(picture).extras:
                without, other = (
                    self._painter.paint(wanted["prompt"], seed, negative=negative)
                    for negative in (name, UNRELATED)
                )
                self.tally.judge(judge_removal(self._judge, without, name))
                lost = name not in self._judge.look(other).extras
                self.tally.judge([("unrelated negative prompt removes", lost)])

    def repainting(self, wanted: Repainting) -> None:
        """Image to image, at low and at high strength."""
        given = np.asarray(draw(wanted.scene))
        for seed in self._seeds:
            little, much = (
                self._painter.repaint(given, strength, wanted.prompt, seed)
                for strength in (LOW_STRENGTH, HIGH_STRENGTH)
            )
            self.tally.judge([("layout kept at low strength", _keeps(little, wanted.scene))])
            self.tally.judge([("prompt followed at high strength", self._shows(much, wanted))])
            self.tally.measure("likeness to the input, low strength", [likeness(given, little)])
            self.tally.measure("likeness to the input, high strength", [likeness(given, much)])

    def sizes(self, wanted: dict[str, Any]) -> None:
        """One thing on a ground, in frames of other sizes."""
        for size in JUDGED_SIZES:
            for seed in self._seeds:
                picture = self._painter.paint(wanted["prompt"], seed, size=size)
                right = all(verdict for _, verdict in judge_flat(picture, wanted))
                self.tally.judge([(f"all right in {size[0]} × {size[1]}", right)])

    def _paint(self, wanted: dict[str, Any]) -> list[Picture]:
        return [self._painter.paint(wanted["prompt"], seed) for seed in self._seeds]

    def _shows(self, picture: Picture, wanted: Repainting) -> bool:
        flat = isinstance(wanted.scene, FlatScene)
        seen = look(picture) if flat else self._judge.look(picture)
        return all(getattr(seen, name) == value for name, value in wanted.wanted.items())


GROUPS: dict[str, Callable[[Examiner, Any], None]] = {
    "flat": Examiner.flat,
    "pairs": Examiner.pair,
    "landscapes": Examiner.landscape,
    "free": Examiner.free,
    "negatives": Examiner.negative,
    "repaintings": Examiner.repainting,
    "sizes": Examiner.sizes,
}


def examine(painter: Painter, judge: Judge, asked: Asked) -> Tally:
    """Paints and judges all that is asked, of the groups that are there."""
    examiner = Examiner(painter, judge, asked["seeds"])
    for group in [group for group in GROUPS if group in asked]:
        for wanted in asked[group]:
            GROUPS[group](examiner, wanted)
        log.info("%d steps: judged %d %s", painter.sampling.steps, len(asked[group]), group)
    return examiner.tally


def _keeps(picture: Picture, scene: Scene) -> bool:
    """Whether a thing stands where it stood, or a landscape is laid out as it was."""
    if isinstance(scene, FlatScene):
        return look(picture).place == scene.things[0].place
    return likeness(picture, np.asarray(draw(scene))) >= KEPT


def differences(pictures: Iterable[Picture]) -> list[float]:
    """Mean difference (0..255) of each two pictures."""
    pairs = combinations([picture.astype(np.float64) for picture in pictures], 2)
    return [float(np.abs(first - second).mean()) for first, second in pairs]


def distances(pictures: Iterable[Picture]) -> list[float]:
    """Pixels between the centres of what each two pictures show, of those that show something."""
    masks = [mask for mask in map(foreground, pictures) if mask.any()]
    return [
        float(np.hypot(*np.subtract(first, second)))
        for first, second in combinations(map(centre_of_mass, masks), 2)
    ]
