"""Draws what hangs in the sky of a landscape and what stands in it."""

import random
from collections.abc import Callable
from typing import TypeAlias

from .canvas import BLOCK, Canvas, mix, snap, tint
from .words import COLOURS, RGB, Light

ExtraPainter: TypeAlias = Callable[[Canvas, random.Random, str, str, Light], None]

CLOUD_COLOURS: dict[str, RGB] = {
    "day": (255, 255, 255),
    "sunset": (255, 196, 176),
    "night": (74, 80, 118),
    "storm": (58, 62, 70),
}


def _spot(canvas: Canvas, rng: random.Random, top: float, bottom: float) -> tuple[float, float]:
    """A place away from the sides, between two heights given as fractions of the frame."""
    x, y = rng.uniform(0.2, 0.8) * canvas.width, rng.uniform(top, bottom) * canvas.height
    return snap(x), snap(y)


def _size(canvas: Canvas, rng: random.Random, *shares: float) -> float:
    """One of few sizes in pixels, given as shares of the frame's shorter side."""
    return canvas.unit * rng.choice(shares)


def _sun(canvas: Canvas, rng: random.Random, _colour: str, time: str, _light: Light) -> None:
    low = time == "sunset"
    x, y = _spot(canvas, rng, *((0.34, 0.46) if low else (0.14, 0.24)))
    face: RGB = (255, 214, 110) if low else (255, 226, 64)
    halo = mix(face, (250, 160, 90) if low else (150, 200, 240), 0.5)
    radius = _size(canvas, rng, 0.094, 0.11)
    canvas.disc(x, y, radius * 1.3, halo)
    canvas.disc(x, y, radius, face)


def _moon(canvas: Canvas, rng: random.Random, _colour: str, _time: str, _light: Light) -> None:
    x, y = _spot(canvas, rng, 0.14, 0.26)
    radius = _size(canvas, rng, 0.094)
    canvas.disc(x, y, radius, (238, 236, 214))
    canvas.disc(x - radius * 0.3, y - radius * 0.2, radius * 0.22, (206, 204, 186))
    canvas.disc(x + radius * 0.3, y + radius * 0.3, radius * 0.16, (206, 204, 186))


def _stars(canvas: Canvas, rng: random.Random, _colour: str, _time: str, _light: Light) -> None:
    columns, rows = canvas.width // BLOCK, round(0.45 * canvas.height) // BLOCK
    for _ in range(round(14 * canvas.width / canvas.unit)):
        x, y = rng.randrange(columns) + 0.3, rng.randrange(rows) + 0.3
        canvas.disc(x * BLOCK, y * BLOCK, max(1.5, canvas.unit * 0.015), (248, 246, 226))


def _clouds(canvas: Canvas, rng: random.Random, _colour: str, time: str, _light: Light) -> None:
    colour = CLOUD_COLOURS[time]
    for place in rng.sample((0.16, 0.5, 0.84), rng.choice((2, 3))):
        x = snap((place + rng.uniform(-0.08, 0.08)) * canvas.width)
        y = snap(rng.uniform(0.1, 0.32) * canvas.height)
        size = _size(canvas, rng, 0.075, 0.1)
        canvas.ellipse(x, y, size * 1.9, size * 0.7, colour)
        canvas.disc(x - size * 0.6, y - size * 0.3, size * 0.7, colour)
        canvas.disc(x + size * 0.5, y - size * 0.4, size * 0.85, colour)


def _boat(canvas: Canvas, rng: random.Random, colour: str, _time: str, light: Light) -> None:
    x, y = _spot(canvas, rng, 0.68, 0.76)
    size = _size(canvas, rng, 0.14, 0.17)
    sail, hull = tint(COLOURS[colour], light), tint((110, 66, 40), light)
    deck = [(x - size, y), (x + size, y), (x + size * 0.5, y + size * 0.4)]
    canvas.polygon([*deck, (x - size * 0.5, y + size * 0.4)], hull)
    canvas.box(x - size * 0.05, y - size * 1.7, x + size * 0.05, y, hull)
    foot = y - size * 0.15
    for inner, outer, tip in ((0.1, 0.95, 1.65), (-0.1, -0.75, 1.4)):
        mast = x + size * inner
        canvas.polygon([(mast, y - size * tip), (x + size * outer, foot), (mast, foot)], sail)


def _house(canvas: Canvas, rng: random.Random, colour: str, time: str, light: Light) -> None:
    x, foot = _spot(canvas, rng, 0.8, 0.88)
    size = _size(canvas, rng, 0.15, 0.18)
    top = foot - size * 1.1
    canvas.box(x - size, top, x + size, foot, tint(COLOURS[colour], light))
    roof, door = tint((112, 58, 44), light), tint((70, 46, 36), light)
    canvas.polygon([(x - size * 1.25, top), (x, top - size * 0.9), (x + size * 1.25, top)], roof)
    pane: RGB = (150, 190, 220) if time == "day" else (255, 222, 120)
    canvas.box(x - size * 0.7, top + size * 0.25, x - size * 0.2, top + size * 0.7, pane)
    canvas.box(x + size * 0.2, foot - size * 0.75, x + size * 0.65, foot, door)


def _tree(canvas: Canvas, rng: random.Random, colour: str, _time: str, light: Light) -> None:
    x, foot = _spot(canvas, rng, 0.82, 0.9)
    size = _size(canvas, rng, 0.125, 0.15)
    crown = tint(COLOURS[colour], light)
    canvas.box(
        x - size * 0.18, foot - size * 1.3, x + size * 0.18, foot, tint((104, 68, 40), light)
    )
    canvas.disc(x, foot - size * 1.9, size * 0.95, crown)
    canvas.disc(x - size * 0.6, foot - size * 1.4, size * 0.7, crown)
    canvas.disc(x + size * 0.6, foot - size * 1.4, size * 0.7, crown)


def _cactus(canvas: Canvas, rng: random.Random, colour: str, _time: str, light: Light) -> None:
    x, foot = _spot(canvas, rng, 0.82, 0.9)
    size = _size(canvas, rng, 0.17, 0.2)
    flesh = tint(COLOURS[colour], light)
    limb = size * 0.2
    canvas.box(x - limb, foot - size * 1.7, x + limb, foot, flesh)
    canvas.disc(x, foot - size * 1.7, limb, flesh)
    for side, height in ((-1, 0.7), (1, 0.95)):
        elbow = x + side * size * 0.6
        low, tall = foot - size * height, foot - size * (height + 0.5)
        canvas.box(min(x, elbow), low - limb, max(x, elbow), low + limb * 0.5, flesh)
        canvas.box(elbow - limb * 0.8, tall, elbow + limb * 0.8, low + limb * 0.5, flesh)
        canvas.disc(elbow, tall, limb * 0.8, flesh)


EXTRA_PAINTERS: dict[str, ExtraPainter] = {
    "sun": _sun,
    "moon": _moon,
    "stars": _stars,
    "clouds": _clouds,
    "boat": _boat,
    "house": _house,
    "tree": _tree,
    "cactus": _cactus,
}
