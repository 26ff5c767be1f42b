"""Judges a picture of shapes on a flat ground by its pixels alone."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .draw_flat import draw_flat
from .scenes import FlatScene, Thing
from .words import COLOURS, PLACES, SHAPES

BORDER = 6  # pixels at each side that show nothing but ground
FAR_FROM_GROUND = 55.0  # distance in RGB from the border from which on it is a thing
LEAST_PIXELS = 40

Pixels = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Sight(NamedTuple):
    """What is seen; ``colour``, ``place`` and ``shape`` are empty where there is no thing."""

    ground: str
    colour: str = ""
    place: str = ""
    shape: str = ""


def look(picture: NDArray[np.uint8]) -> Sight:
    """Judges a picture [height, width, 3] with one thing at most."""
    pixels = picture.astype(np.float64)
    border = border_colour(pixels)
    ground = nearest_colour(border)
    mask = np.linalg.norm(pixels - border, axis=-1) > FAR_FROM_GROUND
    if mask.sum() < LEAST_PIXELS:
        return Sight(ground)
    colour = nearest_colour(np.median(pixels[mask], axis=0))
    return Sight(ground, colour, _place(mask), _shape(mask))


def border_colour(pixels: Pixels) -> Pixels:
    """The median colour [3] of the pixels along the four sides."""
    inner = np.zeros(pixels.shape[:2], dtype=bool)
    inner[BORDER:-BORDER, BORDER:-BORDER] = True
    median: Pixels = np.median(pixels[~inner], axis=0)
    return median


def nearest_colour(pixel: Pixels) -> str:
    """The name of the colour that lies closest to an RGB value [3]."""
    return min(COLOURS, key=lambda name: float(np.linalg.norm(pixel - np.array(COLOURS[name]))))


def _bounds(mask: Mask) -> tuple[float, float, float]:
    """Centre (x, y) and width of what the mask covers, in pixels; stray pixels do not count."""
    rows, columns = np.nonzero(mask)
    left, right = np.quantile(columns, (0.01, 0.99))
    top, bottom = np.quantile(rows, (0.01, 0.99))
    return (left + right + 1) / 2, (top + bottom + 1) / 2, max(right - left, bottom - top) + 1


def _place(mask: Mask) -> str:
    x, y, _ = _bounds(mask)
    height, width = mask.shape
    spot = np.array((x / width, y / height))
    return min(PLACES, key=lambda name: float(np.linalg.norm(spot - np.array(PLACES[name]))))


def _shape(mask: Mask) -> str:
    """The shape whose drawing, laid over the mask, overlaps it best."""
    return max(SHAPES, key=lambda shape: _best_overlap(mask, shape))


def _best_overlap(mask: Mask, shape: str) -> float:
    x, y, extent = _bounds(mask)
    return max(_overlap(mask, _template(mask, shape, (x, y), extent * s)) for s in (0.95, 1, 1.07))


def _overlap(first: Mask, second: Mask) -> float:
    """Intersection over union."""
    return float((first & second).sum() / max(1, (first | second).sum()))


def _template(mask: Mask, shape: str, centre: tuple[float, float], extent: float) -> Mask:
    """The shape drawn so that its bounds lie about the centre."""
    height, width = mask.shape
    spot = (centre[0] / width, centre[1] / height)
    drawn = _drawn(mask, shape, spot, extent)
    x, y, _ = _bounds(drawn) if drawn.any() else (*centre, 0.0)
    moved = (spot[0] + (centre[0] - x) / width, spot[1] + (centre[1] - y) / height)
    return _drawn(mask, shape, moved, extent)


def _drawn(mask: Mask, shape: str, spot: tuple[float, float], extent: float) -> Mask:
    height, width = mask.shape
    thing = Thing(shape, "white", "", "", extent / min(width, height), spot)
    picture = draw_flat(FlatScene("black", (thing,)), width, height)
    drawn: Mask = np.asarray(picture)[..., 0] > 128
    return drawn
