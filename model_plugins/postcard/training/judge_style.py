"""Judges the shape in a styled picture: the shape whose drawing in that style looks most like it.

The judge of plain pictures needs a filled shape; here an outline may be all there is. Candidates
are drawn as large as, and where, the picture differs from its border, and compared with it by the
correlation of how much they differ.
"""

from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .drawing import NATIVE, Picture
from .judge_flat import border_colour
from .scenes import FlatScene, Thing
from .styles import Style
from .words import SHAPES

LEAST_CONTRAST = 60.0  # distance in RGB from the border below which there is nothing
NOTICED = 0.35  # share of the greatest contrast from which on a pixel counts
GROUND, COLOUR = "black", "white"  # of the candidates
SIZE_STEP = 4.0  # pixels: shapes are drawn in sizes this far apart
KNOWN, MIDDLE = 48.0, NATIVE / 2  # pixels: how large and where a candidate is measured first

Contrast: TypeAlias = NDArray[np.float64]
Spot: TypeAlias = tuple[float, float, float]


def shape_of(picture: Picture, style: Style) -> str:
    """The shape in a picture [128, 128, 3] of one thing in the style; empty where there is none."""
    contrast = _contrast(picture)
    if contrast.max() == 0:
        return ""
    return max(SHAPES, key=lambda shape: _likeness(contrast, shape, style))


def _contrast(picture: Picture) -> Contrast:
    """How far each pixel [h, w] is from the colour along the border: 1 is as far as any."""
    pixels = picture.astype(np.float64)
    far = np.linalg.norm(pixels - border_colour(pixels), axis=-1)
    most = float(np.quantile(far, 0.995))
    if most < LEAST_CONTRAST:
        return np.zeros_like(far)
    relative: Contrast = np.where(far > NOTICED * most, far / most, 0).clip(0, 1)
    return relative


def _spot(contrast: Contrast) -> Spot:
    """Where the contrast lies in pixels: its centre (x, y), and its mean distance from there."""
    rows, columns = np.nonzero(contrast)
    x, y = float(columns.mean()) + 0.5, float(rows.mean()) + 0.5
    return x, y, float(np.hypot(columns + 0.5 - x, rows + 0.5 - y).mean())


def _likeness(contrast: Contrast, shape: str, style: Style) -> float:
    """The greatest correlation with a drawing of the shape, of about the right size."""
    x, y, radius = _spot(contrast)
    known_x, known_y, known_radius = _known_spot(style, shape)
    scale = radius / known_radius
    centre = (x - (known_x - MIDDLE) * scale, y - (known_y - MIDDLE) * scale)
    extents = (KNOWN * scale + more for more in (-SIZE_STEP, 0, SIZE_STEP))
    return max(_correlation(contrast, _candidate(style, shape, centre, e)) for e in extents)


@cache
def _known_spot(style: Style, shape: str) -> Spot:
    return _spot(_candidate(style, shape, (MIDDLE, MIDDLE), KNOWN))


def _correlation(first: Contrast, second: Contrast) -> float:
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def _candidate(style: Style, shape: str, centre: tuple[float, float], extent: float) -> Contrast:
    """The contrast [128, 128] of a drawn shape; extent and centre in pixels."""
    spot = (centre[0] / NATIVE, centre[1] / NATIVE)
    thing = Thing(shape, COLOUR, "medium", "middle", max(extent, 2 * SIZE_STEP) / NATIVE, spot)
    return _contrast(np.asarray(style.draw(FlatScene(GROUND, (thing,)), NATIVE, NATIVE)))
