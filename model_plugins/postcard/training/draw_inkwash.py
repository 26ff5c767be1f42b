"""Draws a scene in black ink on light paper.

Whatever its own colours: what a flat scene's ground or a landscape's sky is, is paper, and what
stands before it is ink.
"""

from dataclasses import replace

import numpy as np
from PIL import Image, ImageFilter

from .draw_landscape import draw_landscape
from .planes import Plane, before_sky, blurred, cover, filtered, luma, to_image
from .scenes import FlatScene, Landscape, Scene
from .words import COLOURS

WARM = np.array((1.0, 0.985, 0.955))  # the tone of the paper
PAPER, PAPER_DARKER = 246.0, 30.0  # grey level; how much darker at most, for dark grounds
INK, INK_LIGHTER = 26.0, 44.0  # grey level; how much lighter at most, for pale things
WASH = 0.7  # power: below 1, what differs little from the sky still shows
DARKEST_WASH = 0.6  # of the ink: what stands before it is to be seen
CHANGED = 24.0  # levels by which a pixel differs where something covers it
LEAST_APART = 20.0  # distance in RGB from the sky: what is nearer stays pale even where all is
NEARLY_ALL = 0.98  # of a landscape is no further from the sky than the darkest ink


def draw_inkwash(scene: Scene, width: int, height: int) -> Image.Image:
    """The scene in black ink on paper, as an RGB picture of width x height pixels."""
    level = (
        _shapes(scene, width, height)
        if isinstance(scene, FlatScene)
        else _wash(scene, width, height)
    )
    return to_image(level[..., None] * WARM)


def _shapes(scene: FlatScene, width: int, height: int) -> Plane:
    """Grey levels [height, width]: dark ground, darker paper; pale thing, thinner ink."""
    ground = float(luma(np.array(COLOURS[scene.ground]))) / 255
    level = np.full((height, width), PAPER - PAPER_DARKER * (1 - ground))
    for thing in scene.things:
        covered = cover(thing, width, height)
        pale = float(luma(np.array(COLOURS[thing.colour]))) / 255
        # Ink gathers at the rim as it dries.
        inner = (2 * blurred(covered, 5) - 1).clip(0, 1)
        ink = INK + INK_LIGHTER * pale + 24 * inner
        level = level * (1 - covered) + ink * covered
    return level


def _wash(scene: Landscape, width: int, height: int) -> Plane:
    """Grey levels [height, width] of a landscape: sky and land washed, ink for what stands there.

    The wash is the darker the further a colour is from the clear sky's.
    """
    land = replace(scene, extras=tuple(extra for extra in scene.extras if not extra.colour))
    picture = draw_landscape(land, width, height)
    rainless = picture.filter(ImageFilter.MedianFilter(5 if scene.time == "storm" else 3))
    apart = before_sky(rainless, scene)
    darkest = max(float(np.quantile(apart, NEARLY_ALL)), LEAST_APART)
    wash = DARKEST_WASH * (apart / darkest).clip(0, 1) ** WASH
    ink = np.maximum(wash, _standing(picture, draw_landscape(scene, width, height)))
    level: Plane = PAPER - (PAPER - INK) * ink
    return level


def _standing(land: Image.Image, scene: Image.Image) -> Plane:
    """How much of each pixel [h, w] is covered by what the scene has and the land has not, 0..1."""
    pixels = (np.asarray(picture, dtype=np.float64) for picture in (land, scene))
    changed = np.abs(np.subtract(*pixels)).max(axis=-1)
    return filtered((changed / CHANGED).clip(0, 1), ImageFilter.MedianFilter(3))
