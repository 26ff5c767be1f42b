"""Judges a picture of shapes on a flat ground by its pixels alone."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFilter

from .canvas import Canvas
from .draw_flat import draw_shape
from .words import COLOURS, PLACES, SHAPES, SIZES, Point

BORDER = 6  # pixels at each side that show nothing but ground
FAR_FROM_GROUND = 55.0  # distance in RGB from the border from which on it is a thing
LEAST_PIXELS = 40
# By how much templates are blurred, as fractions of the shorter side: a soft picture's corners are
# round, and a small star with round corners covers more of a circle than of a sharp star.
ROUNDINGS = (0, 0.02)
BLACK, WHITE = (0, 0, 0), (255, 255, 255)

Pixels = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Sight(NamedTuple):
    """What is seen; all but ``ground`` is empty where there is no thing."""

    ground: str
    colour: str = ""
    place: str = ""
    shape: str = ""
    size: str = ""


def look(picture: NDArray[np.uint8], region: Mask | None = None) -> Sight:
    """Judges a picture [height, width, 3] with one thing at most in the region [height, width]."""
    pixels = picture.astype(np.float64)
    border = border_colour(pixels)
    ground = nearest_colour(border)
    region = np.ones(pixels.shape[:2], dtype=bool) if region is None else region
    mask = _unlike(pixels, border) & region
    if mask.sum() < LEAST_PIXELS:
        return Sight(ground)
    inside = np.median(pixels[mask], axis=0)
    outline = _nearer(pixels, inside, border) & region
    shape = _shape(outline)
    return Sight(ground, nearest_colour(inside), _place(outline), shape, _size(outline, shape))


def foreground(picture: NDArray[np.uint8]) -> Mask:
    """Where a picture [height, width, 3] differs from its ground."""
    pixels = picture.astype(np.float64)
    return _unlike(pixels, border_colour(pixels))


def _unlike(pixels: Pixels, border: Pixels) -> Mask:
    unlike: Mask = np.linalg.norm(pixels - border, axis=-1) > FAR_FROM_GROUND
    return unlike


def _nearer(pixels: Pixels, inside: Pixels, outside: Pixels) -> Mask:
    """Where a pixel's colour lies nearer to the one than to the other: soft edges cut halfway."""
    axis = inside - outside
    nearer: Mask = (pixels - outside) @ axis > (axis @ axis) / 2
    return nearer


def border_colour(pixels: Pixels) -> Pixels:
    """The median colour [3] of the pixels along the four sides."""
    inner = np.zeros(pixels.shape[:2], dtype=bool)
    inner[BORDER:-BORDER, BORDER:-BORDER] = True
    median: Pixels = np.median(pixels[~inner], axis=0)
    return median


def nearest_colour(pixel: Pixels) -> str:
    """The name of the colour that lies closest to an RGB value [3]."""
    return min(COLOURS, key=lambda name: float(np.linalg.norm(pixel - np.array(COLOURS[name]))))


def _centre(mask: Mask) -> Point:
    """The middle (x, y) of what the mask covers, in pixels; stray pixels do not count."""
    rows, columns = np.nonzero(mask)
    left, right = np.quantile(columns, (0.01, 0.99))
    top, bottom = np.quantile(rows, (0.01, 0.99))
    return float(left + right + 1) / 2, float(top + bottom + 1) / 2


def _place(mask: Mask) -> str:
    x, y = _centre(mask)
    height, width = mask.shape
    spot = np.array((x / width, y / height))
    return min(PLACES, key=lambda name: float(np.linalg.norm(spot - np.array(PLACES[name]))))


def _size(mask: Mask, shape: str) -> str:
    """The size whose extents lie nearest to that at which the shape covers as much."""
    extent = _extent_of_area(mask, shape) / min(mask.shape)
    return min(SIZES, key=lambda name: abs(sum(SIZES[name]) / 2 - extent))


def _shape(mask: Mask) -> str:
    """The shape whose drawing, laid over the mask, overlaps it best."""
    return max(SHAPES, key=lambda shape: _best_overlap(mask, shape))


def _best_overlap(mask: Mask, shape: str) -> float:
    return max(
        _overlap(mask, _template(mask, shape, extent * scale, rounding))
        for rounding in ROUNDINGS
        for extent in [_extent_of_area(mask, shape, rounding)]
        for scale in (0.94, 1, 1.06)
    )


def _overlap(first: Mask, second: Mask) -> float:
    """Intersection over union."""
    return float((first & second).sum() / max(1, (first | second).sum()))


def _extent_of_area(mask: Mask, shape: str, rounding: float = 0) -> float:
    """The extent at which the shape covers as many pixels as the mask."""
    height, width = mask.shape
    extent: float = min(width, height) / 2
    # The second time corrects for the area that rounding takes, which depends on the extent.
    for _ in range(2 if rounding else 1):
        area = _drawn(mask, shape, (width / 2, height / 2), extent, rounding).sum()
        extent *= float(np.sqrt(mask.sum() / max(1, area)))
    return extent


def _template(mask: Mask, shape: str, extent: float, rounding: float) -> Mask:
    """The shape drawn so that its centre of mass lies where that of the mask does."""
    wanted = centre_of_mass(mask)
    drawn = _drawn(mask, shape, wanted, extent, rounding)
    found = centre_of_mass(drawn) if drawn.any() else wanted
    moved = (2 * wanted[0] - found[0], 2 * wanted[1] - found[1])
    return _drawn(mask, shape, moved, extent, rounding)


def centre_of_mass(mask: Mask) -> Point:
    """Where (x, y) in pixels the mean of what the mask covers lies; it must cover something."""
    rows, columns = np.nonzero(mask)
    return float(columns.mean()) + 0.5, float(rows.mean()) + 0.5


def _drawn(mask: Mask, shape: str, centre: Point, extent: float, rounding: float) -> Mask:
    height, width = mask.shape
    canvas = Canvas(width, height, BLACK)
    draw_shape(canvas, shape, colour=WHITE, ground=BLACK, centre=centre, extent=extent)
    soft = canvas.image().convert("L").filter(ImageFilter.GaussianBlur(rounding * canvas.unit))
    drawn: Mask = np.asarray(soft) > 128
    return drawn
