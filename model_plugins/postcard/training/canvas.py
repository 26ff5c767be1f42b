"""A small antialiased canvas over Pillow, measured in pixels of the finished picture."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from .words import RGB, Light, Point

SUPERSAMPLING = 2
BLOCK = 8  # pixels of the frame that one latent covers, each way


def mix(first: RGB, second: RGB, share: float) -> RGB:
    """The colour that lies ``share`` (0..1) of the way from the first to the second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def tint(colour: RGB, light: Light) -> RGB:
    """The colour under light of the given (red, green, blue) strengths."""
    red, green, blue = (min(255, round(c * s)) for c, s in zip(colour, light, strict=True))
    return red, green, blue


def snap(pixels: float, grid: int = BLOCK // 2) -> int:
    """The nearest multiple of ``grid``, at least one.

    What always lies across latents in one of few ways is learned much sooner, and comes out crisp.
    """
    return max(grid, grid * round(pixels / grid))


class Canvas:
    """Draws at twice the size; ``image`` gives the picture reduced to (width, height) pixels."""

    def __init__(self, width: int, height: int, ground: RGB) -> None:
        self.width, self.height = width, height
        big = (width * SUPERSAMPLING, height * SUPERSAMPLING)
        self._image = Image.new("RGB", big, ground)
        self._draw = ImageDraw.Draw(self._image)

    @property
    def unit(self) -> int:
        """The shorter side: what sizes are measured by."""
        return min(self.width, self.height)

    def image(self) -> Image.Image:
        """The finished picture."""
        return self._image.reduce(SUPERSAMPLING)

    def gradient(self, top: RGB, bottom: RGB) -> None:
        """Fills everything with a vertical run of colour."""
        height = self.height * SUPERSAMPLING
        share = np.linspace(0.0, 1.0, height)[:, None]
        column = np.array(top) * (1 - share) + np.array(bottom) * share
        strip = Image.fromarray(column.round().astype(np.uint8)[:, None, :])
        self._image.paste(strip.resize((self.width * SUPERSAMPLING, height)))

    def polygon(self, points: Sequence[Point], colour: RGB) -> None:
        """Fills a polygon."""
        self._draw.polygon([(x * SUPERSAMPLING, y * SUPERSAMPLING) for x, y in points], colour)

    def box(self, left: float, top: float, right: float, bottom: float, colour: RGB) -> None:
        """Fills an upright rectangle."""
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], colour)

    def ellipse(self, x: float, y: float, radius_x: float, radius_y: float, colour: RGB) -> None:
        """Fills an upright ellipse around (x, y)."""
        edges = (x - radius_x, y - radius_y, x + radius_x, y + radius_y)
        self._draw.ellipse([edge * SUPERSAMPLING for edge in edges], colour)

    def disc(self, x: float, y: float, radius: float, colour: RGB) -> None:
        """Fills a circle around (x, y)."""
        self.ellipse(x, y, radius, radius, colour)

    def line(self, start: Point, end: Point, colour: RGB, width: float) -> None:
        """Draws a straight line ``width`` pixels wide."""
        points = [value * SUPERSAMPLING for value in (*start, *end)]
        self._draw.line(points, colour, max(1, round(width * SUPERSAMPLING)))
