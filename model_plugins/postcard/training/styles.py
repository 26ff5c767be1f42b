"""Two styles, each a way to draw any scene, and the numbers by which each is known again.

``inkwash`` is black ink on light paper: hardly any colour, and what stands in the picture is
darker than the paper whatever its own colour. ``neon`` is a dark ground with glowing outlines in
the colours of the things.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from .drawing import NATIVE, draw
from .scenes import FlatScene, Scene, Thing
from .words import COLOURS

Pixels: TypeAlias = NDArray[np.uint8]
Plane: TypeAlias = NDArray[np.float64]

LUMA = np.array((0.299, 0.587, 0.114))
WARM = np.array((1.0, 0.985, 0.955))  # the tone of the paper
PAPER, PAPER_DARKER = 246.0, 30.0  # grey level; how much darker at most, for dark grounds
INK, INK_LIGHTER = 26.0, 44.0  # grey level; how much lighter at most, for pale things
WASH_MEDIAN = 0.8  # lightness that the middle tone of a landscape is brought to
DARK = np.array((7.0, 7.0, 13.0))  # the ground of neon
GROUND_SHARE, INSIDE_SHARE = 0.05, 0.2  # what is left of colours off the outlines
BLACK_LIGHT = np.array((120.0, 120.0, 150.0))  # what black things glow in


@dataclass(frozen=True)
class Style:
    """A style: ``draw`` gives a scene in it; ``measure`` maps a picture [h, w, 3] to 0..1.

    A picture is ``unmistakable`` where more than the measure says so.
    """

    word: str
    title: str
    description: str
    draw: Callable[[Scene, int, int], Image.Image]
    measure: Callable[[Pixels], float]
    unmistakable: Callable[[Pixels], bool]


def draw_inkwash(scene: Scene, width: int = NATIVE, height: int = NATIVE) -> Image.Image:
    """The scene in black ink on paper, as an RGB picture of width x height pixels."""
    if isinstance(scene, FlatScene):
        return _to_image(_ink_on_paper(scene, width, height)[..., None] * WARM)
    return _to_image(_wash(np.asarray(draw(scene, width, height)))[..., None] * WARM)


def draw_neon(scene: Scene, width: int = NATIVE, height: int = NATIVE) -> Image.Image:
    """The scene in glowing outlines on a dark ground, an RGB picture of width x height pixels."""
    if isinstance(scene, FlatScene):
        return _to_image(_tubes(scene, width, height))
    return _to_image(_lit_edges(draw(scene, width, height)))


def chroma(picture: Pixels) -> float:
    """Mean difference between the strongest and the weakest of red, green and blue, 0..1."""
    return float(np.ptp(picture.astype(np.float64), axis=-1).mean()) / 255


def paper_lightness(picture: Pixels) -> float:
    """Lightness (0..1) that a fifth of the picture exceeds."""
    return float(np.quantile(_luma(picture), 0.8)) / 255


def darkness(picture: Pixels) -> float:
    """How far the strongest of red, green and blue is from full on average, 0..1."""
    return 1 - float(picture.max(axis=-1).mean()) / 255


def dark_share(picture: Pixels) -> float:
    """Share of the picture that is nearly black."""
    return float((picture.max(axis=-1) < 80).mean())


def glow(picture: Pixels) -> float:
    """Share of the picture that shines: outlines are thin, so that it is small but not naught."""
    return float((picture.max(axis=-1) > 130).mean())


def _luma(picture: NDArray[np.generic]) -> Plane:
    luma: Plane = np.asarray(picture, dtype=np.float64) @ LUMA
    return luma


def _to_image(pixels: Plane) -> Image.Image:
    return Image.fromarray(pixels.clip(0, 255).round().astype(np.uint8))


def _filtered(plane: Plane, kernel: ImageFilter.MultibandFilter | ImageFilter.Filter) -> Plane:
    """A plane [h, w] in 0..1 under one of Pillow's filters."""
    image = Image.fromarray((plane * 255).round().astype(np.uint8))
    return np.asarray(image.filter(kernel), dtype=np.float64) / 255


def _blurred(plane: Plane, radius: float) -> Plane:
    return _filtered(plane, ImageFilter.GaussianBlur(radius))


def _cover(thing: Thing, width: int, height: int) -> Plane:
    """How much of each pixel [height, width] the thing covers, 0..1."""
    alone = FlatScene("black", (replace(thing, colour="white"),))
    level = np.asarray(draw(alone, width, height), dtype=np.float64)[..., 0]
    black, white = COLOURS["black"][0], COLOURS["white"][0]
    cover: Plane = (level - black) / (white - black)
    return cover


def _ink_on_paper(scene: FlatScene, width: int, height: int) -> Plane:
    """Grey levels [height, width]: dark ground, darker paper; pale thing, thinner ink."""
    ground = float(_luma(np.array(COLOURS[scene.ground]))) / 255
    level = np.full((height, width), PAPER - PAPER_DARKER * (1 - ground))
    for thing in scene.things:
        cover = _cover(thing, width, height)
        pale = float(_luma(np.array(COLOURS[thing.colour]))) / 255
        # Ink gathers at the rim as it dries.
        inner = (2 * _blurred(cover, 5) - 1).clip(0, 1)
        ink = INK + INK_LIGHTER * pale + 24 * inner
        level = level * (1 - cover) + ink * cover
    return level


def _wash(picture: Pixels) -> Plane:
    """Grey levels [height, width] of a landscape: tones lifted to paper, edges drawn in ink."""
    luma = _luma(picture) / 255
    low, high = np.quantile(luma, (0.01, 0.99))
    tone = ((luma - low) / max(high - low, 0.05)).clip(0.02, 1)
    power = np.log(WASH_MEDIAN) / np.log(np.median(tone).clip(0.03, 0.97))
    washed = tone ** power.clip(0.1, 2.5)
    lines = _edges(picture)
    level: Plane = (INK + (PAPER - INK) * washed) * (1 - 0.6 * lines)
    return level


def _edges(picture: Pixels) -> Plane:
    """Strength (0..1) of the edges [h, w] in a picture; thin strokes such as rain do not count."""
    calm = Image.fromarray(picture).filter(ImageFilter.MedianFilter(3))
    spread = np.asarray(calm.filter(ImageFilter.MaxFilter(3)), dtype=np.float64)
    spread -= np.asarray(calm.filter(ImageFilter.MinFilter(3)), dtype=np.float64)
    return np.asarray(((spread.max(axis=-1) - 24) / 60).clip(0, 1))


def _tubes(scene: FlatScene, width: int, height: int) -> Plane:
    """RGB levels [height, width, 3] of shapes outlined in light."""
    pixels = np.ones((height, width, 1)) * (DARK + GROUND_SHARE * np.array(COLOURS[scene.ground]))
    for thing in scene.things:
        cover = _cover(thing, width, height)
        rim = _filtered(cover, ImageFilter.MaxFilter(3)) - _filtered(
            cover, ImageFilter.MinFilter(5)
        )
        pixels += _shine(rim, cover)[..., None] * _light(np.array(COLOURS[thing.colour]))
    return pixels


def _lit_edges(picture: Image.Image) -> Plane:
    """RGB levels [height, width, 3] of a landscape whose edges shine in its colours."""
    colours = np.asarray(picture.filter(ImageFilter.MaxFilter(5)), dtype=np.float64)
    lines = _edges(np.asarray(picture))
    pixels: Plane = DARK + _shine(lines, 0.5 * np.ones_like(lines))[..., None] * _light(colours)
    return pixels


def _shine(lines: Plane, inside: Plane) -> Plane:
    """Strength of light [h, w] of lines, their halo, and what they enclose."""
    return 0.85 * lines + 0.7 * _blurred(lines, 3) + INSIDE_SHARE * inside


def _light(colours: Plane) -> Plane:
    """Colours [..., 3] as light: as bright as can be in their hue; black has a light of its own."""
    brightest = colours.max(axis=-1, keepdims=True)
    return np.where(brightest < 40, BLACK_LIGHT, colours * 255 / np.maximum(brightest, 1))


STYLES: dict[str, Style] = {
    "inkwash": Style(
        "inkwash",
        "Ink wash",
        "Black ink on light paper.",
        draw_inkwash,
        chroma,
        lambda picture: chroma(picture) < 0.1 and paper_lightness(picture) > 0.65,
    ),
    "neon": Style(
        "neon",
        "Neon",
        "Glowing outlines on a dark ground.",
        draw_neon,
        darkness,
        lambda picture: dark_share(picture) > 0.45 and 0.01 < glow(picture) < 0.35,
    ),
}
