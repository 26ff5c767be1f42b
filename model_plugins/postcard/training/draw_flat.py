"""Draws shapes on a flat ground."""

import math

from PIL import Image

from .canvas import Canvas, snap
from .scenes import FlatScene
from .words import COLOURS, RGB, Point

RING_HOLE = 0.56  # radius of a ring's hole as a fraction of its own
STAR_WAIST = 0.42  # radius of a star's inner corners as a fraction of its outer ones
HEART_STEPS = 40


def draw_flat(scene: FlatScene, width: int, height: int) -> Image.Image:
    """The scene as an RGB picture of width x height pixels."""
    ground = COLOURS[scene.ground]
    canvas = Canvas(width, height, ground)
    for thing in scene.things:
        centre = (snap(thing.centre[0] * width), snap(thing.centre[1] * height))
        extent = snap(thing.extent * canvas.unit)
        colour = COLOURS[thing.colour]
        draw_shape(canvas, thing.shape, colour=colour, ground=ground, centre=centre, extent=extent)
    return canvas.image()


def draw_shape(
    canvas: Canvas, shape: str, *, colour: RGB, ground: RGB, centre: Point, extent: float
) -> None:
    """Draws one shape that is ``extent`` pixels wide; a ring's hole shows the ground."""
    radius = extent / 2
    if shape in ("circle", "ring"):
        canvas.disc(*centre, radius, colour)
        if shape == "ring":
            canvas.disc(*centre, radius * RING_HOLE, ground)
        return
    outline = [(centre[0] + x * radius, centre[1] + y * radius) for x, y in OUTLINES[shape]]
    canvas.polygon(outline, colour)


def _star() -> list[Point]:
    radii = [1.05, 1.05 * STAR_WAIST] * 5
    angles = [math.pi * corner / 5 for corner in range(10)]
    return [(r * math.sin(a), 0.08 - r * math.cos(a)) for r, a in zip(radii, angles, strict=True)]


def _heart() -> list[Point]:
    angles = [2 * math.pi * step / HEART_STEPS for step in range(HEART_STEPS)]
    return [(math.sin(a) ** 3, _heart_height(a)) for a in angles]


def _heart_height(angle: float) -> float:
    waves = 13 * math.cos(angle) - 5 * math.cos(2 * angle) - 2 * math.cos(3 * angle)
    return -(waves - math.cos(4 * angle)) / 16 - 0.1


# Corners about the origin, in a square from -1 to 1, y downwards.
OUTLINES: dict[str, list[Point]] = {
    "square": [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
    "triangle": [(0.0, -0.95), (1.0, 0.85), (-1.0, 0.85)],
    "diamond": [(0.0, -1.0), (0.8, 0.0), (0.0, 1.0), (-0.8, 0.0)],
    "star": _star(),
    "heart": _heart(),
}
