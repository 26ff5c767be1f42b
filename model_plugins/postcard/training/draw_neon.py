"""Draws a scene in outlines that glow in the colours of the things, on a dark ground."""

from dataclasses import replace

import numpy as np
from PIL import Image, ImageFilter

from .draw_landscape import draw_landscape
from .planes import Plane, before_sky, blurred, cover, filtered, luma, to_image
from .scenes import FlatScene, Landscape, Scene
from .words import COLOURS

DARK = np.array((7.0, 7.0, 13.0))  # the ground
GROUND_SHARE, LAND_SHARE = 0.05, 0.1  # what is left of colours off the outlines
INSIDE = 0.2  # strength of light inside a shape
BLACK_LIGHT = np.array((120.0, 120.0, 150.0))  # what black things glow in
GREY_TAKEN = 0.6  # share of a landscape's greys taken away, so that the rest glows in colour
BEFORE_SKY = 50.0  # distance in RGB from the sky at which a pixel lends its whole colour
STRONG_EDGE = 0.97  # of a landscape has weaker edges than those that shine fully
LEAST_EDGE = 20.0  # levels: weaker edges do not shine however weak the others are
FAINT, FULL = 0.25, 0.75  # strength of edges, relative to strong ones, where light begins and ends
LAMP, FULL_LAMP = 56.0, 160.0  # levels above its surroundings at which a small spot is a lamp


def draw_neon(scene: Scene, width: int, height: int) -> Image.Image:
    """The scene in glowing outlines on a dark ground, an RGB picture of width x height pixels."""
    if isinstance(scene, FlatScene):
        return to_image(_tubes(scene, width, height))
    return to_image(_skyline(scene, width, height))


def _tubes(scene: FlatScene, width: int, height: int) -> Plane:
    """RGB levels [height, width, 3] of shapes outlined in light."""
    pixels = np.ones((height, width, 1)) * (DARK + GROUND_SHARE * np.array(COLOURS[scene.ground]))
    for thing in scene.things:
        covered = cover(thing, width, height)
        outer = filtered(covered, ImageFilter.MaxFilter(3))
        light = _shine(outer - filtered(covered, ImageFilter.MinFilter(5))) + INSIDE * covered
        pixels += light[..., None] * _light(np.array(COLOURS[thing.colour]))
    return pixels


def _skyline(scene: Landscape, width: int, height: int) -> Plane:
    """RGB levels [height, width, 3] of a landscape: its edges and its small lights shine."""
    # By night there is no rain to outline, and the windows are lit.
    seen = replace(scene, time="night") if scene.time == "storm" else scene
    picture = draw_landscape(seen, width, height)
    calm = picture.filter(ImageFilter.MedianFilter(7))
    light = _shine(_edges(calm)) + _lamps(picture, calm)
    glowing = light[..., None] * _light(_colours(picture, seen))
    levels: Plane = DARK + LAND_SHARE * np.asarray(calm, dtype=np.float64) + glowing
    return levels


def _edges(picture: Image.Image) -> Plane:
    """Strength (0..1) of the edges [h, w] in a picture, relative to its strongest."""
    spread = np.asarray(picture.filter(ImageFilter.MaxFilter(3)), dtype=np.float64)
    spread -= np.asarray(picture.filter(ImageFilter.MinFilter(3)), dtype=np.float64)
    strength = spread.max(axis=-1)
    relative = strength / max(float(np.quantile(strength, STRONG_EDGE)), LEAST_EDGE)
    lines = ((relative - FAINT) / (FULL - FAINT)).clip(0, 1)
    return filtered(lines, ImageFilter.MaxFilter(3))


def _lamps(picture: Image.Image, calm: Image.Image) -> Plane:
    """Strength (0..1) of lights [h, w] so small that they are missing in the calm picture."""
    above = luma(np.asarray(picture)) - luma(np.asarray(calm))
    return np.where(above > LAMP, (above / FULL_LAMP).clip(0, 1), 0)


def _colours(picture: Image.Image, scene: Landscape) -> Plane:
    """The colours [h, w, 3] that lines glow in: of what stands before the sky, not of the sky."""
    share = (before_sky(picture, scene) / BEFORE_SKY).clip(0, 1)
    things = to_image(np.asarray(picture, dtype=np.float64) * share[..., None])
    wide = np.asarray(things.filter(ImageFilter.MaxFilter(5)), dtype=np.float64)
    colours: Plane = wide - GREY_TAKEN * wide.min(axis=-1, keepdims=True)
    return colours


def _shine(lines: Plane) -> Plane:
    """Strength of light [h, w] of lines and their halo."""
    return 0.85 * lines + 0.7 * blurred(lines, 3)


def _light(colours: Plane) -> Plane:
    """Colours [..., 3] as light: as bright as can be in their hue; black has a light of its own."""
    brightest = colours.max(axis=-1, keepdims=True)
    return np.where(brightest < 40, BLACK_LIGHT, colours * 255 / np.maximum(brightest, 1))
