"""Two styles, each a way to draw any scene, and the numbers by which each is known again."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image

from .draw_inkwash import draw_inkwash
from .draw_neon import draw_neon
from .drawing import Picture
from .planes import luma
from .scenes import Scene


@dataclass(frozen=True)
class Style:
    """A style, which its word calls up.

    ``draw`` gives a scene in it, of a width and height in pixels. ``measure`` maps a picture to
    0..1, more or less the more of the style it has. ``unmistakable`` holds the statistics of a
    picture against fixed thresholds.
    """

    word: str
    title: str
    description: str
    draw: Callable[[Scene, int, int], Image.Image]
    measure: Callable[[Picture], float]
    unmistakable: Callable[[Picture], bool]


def chroma(picture: Picture) -> float:
    """Mean difference between the strongest and the weakest of red, green and blue, 0..1."""
    return float(np.ptp(picture.astype(np.float64), axis=-1).mean()) / 255


def paper_lightness(picture: Picture) -> float:
    """Lightness (0..1) that a fifth of the picture exceeds."""
    return float(np.quantile(luma(picture), 0.8)) / 255


def darkness(picture: Picture) -> float:
    """How far the strongest of red, green and blue is from full on average, 0..1."""
    return 1 - float(picture.max(axis=-1).mean()) / 255


def dark_share(picture: Picture) -> float:
    """Share of the picture that is nearly black."""
    return float((picture.max(axis=-1) < 80).mean())


def glow(picture: Picture) -> float:
    """Share of the picture that shines: outlines are thin, so that it is small but not naught."""
    return float((picture.max(axis=-1) > 130).mean())


def is_inkwash(picture: Picture) -> bool:
    """Whether a picture is unmistakably grey on light paper."""
    return chroma(picture) < 0.1 and paper_lightness(picture) > 0.65


def is_neon(picture: Picture) -> bool:
    """Whether a picture is unmistakably some light in much darkness."""
    return dark_share(picture) > 0.45 and 0.01 < glow(picture) < 0.35


STYLES = {
    style.word: style
    for style in (
        Style("inkwash", "Ink wash", "Black ink on light paper.", draw_inkwash, chroma, is_inkwash),
        Style(
            *("neon", "Neon", "Glowing outlines on a dark ground."),
            *(draw_neon, darkness, is_neon),
        ),
    )
}
