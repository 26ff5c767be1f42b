"""Draws a landscape: sky, terrain, and what stands in it, all in the light of its time."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from PIL import Image

from .canvas import BLOCK, Canvas, mix, snap, tint
from .draw_extras import EXTRA_PAINTERS
from .scenes import Landscape
from .words import RGB, Light, Point


@dataclass(frozen=True)
class Mood:
    """The light of a time: sky colours from top to horizon, and what it does to other colours."""

    sky_top: RGB
    sky_low: RGB
    light: Light


MOODS: dict[str, Mood] = {
    "day": Mood((88, 164, 236), (196, 226, 248), (1.0, 1.0, 1.0)),
    "sunset": Mood((92, 56, 128), (252, 152, 76), (0.86, 0.62, 0.56)),
    "night": Mood((8, 10, 34), (30, 38, 84), (0.26, 0.3, 0.46)),
    "storm": Mood((54, 60, 70), (120, 126, 134), (0.52, 0.55, 0.58)),
}
# Things that are named by colour keep more of it than the ground does.
EXTRA_LIGHT_FLOOR = 0.62


def draw_landscape(scene: Landscape, width: int, height: int) -> Image.Image:
    """The scene as an RGB picture of width x height pixels."""
    rng = random.Random(scene.layout)
    mood = MOODS[scene.time]
    canvas = _clear_sky(mood, width, height)
    in_sky = [extra for extra in scene.extras if not extra.colour]
    for extra in sorted(in_sky, key=lambda extra: extra.name == "clouds"):
        EXTRA_PAINTERS[extra.name](canvas, rng, extra.colour, scene.time, _extra_light(mood))
    TERRAIN_PAINTERS[scene.terrain](canvas, rng, mood)
    for extra in scene.extras:
        if extra.colour:
            EXTRA_PAINTERS[extra.name](canvas, rng, extra.colour, scene.time, _extra_light(mood))
    if scene.time == "storm":
        _rain(canvas, rng)
    return canvas.image()


def draw_sky(scene: Landscape, width: int, height: int) -> Image.Image:
    """The clear sky of the scene over all of an RGB picture of width x height pixels."""
    return _clear_sky(MOODS[scene.time], width, height).image()


def _clear_sky(mood: Mood, width: int, height: int) -> Canvas:
    canvas = Canvas(width, height, mood.sky_top)
    canvas.gradient(mood.sky_top, mood.sky_low)
    return canvas


def _extra_light(mood: Mood) -> Light:
    red, green, blue = (max(EXTRA_LIGHT_FLOOR, strength) for strength in mood.light)
    return red, green, blue


def _wave(rng: random.Random, base: float, swing: float, turns: float) -> Callable[[float], float]:
    """A smooth height (fraction of the frame, from the top) over x (0..1)."""
    phase, second = rng.uniform(0, 2 * math.pi), rng.uniform(0, 2 * math.pi)
    return lambda x: (
        base
        + swing * math.sin(2 * math.pi * turns * x + phase)
        + 0.3 * swing * math.sin(4.6 * math.pi * turns * x + second)
    )


def _below(canvas: Canvas, ridge: list[Point], colour: RGB) -> None:
    """Fills everything under a ridge given in fractions of the frame."""
    line = [(x * canvas.width, y * canvas.height) for x, y in ridge]
    corners = [(float(canvas.width), float(canvas.height)), (0.0, float(canvas.height))]
    canvas.polygon([*line, *corners], colour)


def _rolling(canvas: Canvas, rng: random.Random, layers: list[tuple[float, float, RGB]]) -> None:
    """Smooth ridges one before the other: (height from the top, swing, colour) each."""
    for base, swing, colour in layers:
        wave = _wave(rng, base + rng.uniform(-0.02, 0.02), swing, rng.uniform(0.7, 1.3))
        _below(canvas, [(step / 32, wave(step / 32)) for step in range(33)], colour)


def _hills(canvas: Canvas, rng: random.Random, mood: Mood) -> None:
    greens = ((120, 186, 92), (84, 158, 66), (56, 126, 48))
    far, middle, near = (tint(green, mood.light) for green in greens)
    layers = [(0.54, 0.06, far), (0.66, 0.06, middle), (0.8, 0.05, near)]
    _rolling(canvas, rng, layers)


def _desert(canvas: Canvas, rng: random.Random, mood: Mood) -> None:
    sands = ((240, 208, 140), (228, 186, 110), (210, 162, 88))
    far, middle, near = (tint(sand, mood.light) for sand in sands)
    layers = [(0.6, 0.02, far), (0.7, 0.04, middle), (0.84, 0.04, near)]
    _rolling(canvas, rng, layers)


def _mountains(canvas: Canvas, rng: random.Random, mood: Mood) -> None:
    rock = tint((122, 124, 138), mood.light)
    snow = tint((244, 246, 250), mood.light)
    for centre in rng.sample((0.12, 0.36, 0.62, 0.88), 4):
        x = snap((centre + rng.uniform(-0.06, 0.06)) * canvas.width)
        peak = snap(rng.uniform(0.22, 0.45) * canvas.height)
        foot = 0.86 * canvas.height
        shade = mix(rock, (40, 42, 60), rng.choice((0.0, 0.25)))
        _mountain(canvas, (x, peak), ((foot - peak) * 0.62, foot), shade, snow)
    meadow = tint((96, 150, 84), mood.light)
    _rolling(canvas, rng, [(0.8, 0.02, meadow)])


def _mountain(canvas: Canvas, peak: Point, base: Point, rock: RGB, snow: RGB) -> None:
    """A snowy peak; ``base`` is half of its width and the height of its foot, in pixels."""
    x, y = peak
    half, foot = base
    canvas.polygon([(x, y), (x + half, foot), (x - half, foot)], rock)
    canvas.polygon([(x, y), (x + half, foot), (x + half * 0.2, foot)], mix(rock, (20, 22, 40), 0.3))
    line = y + (foot - y) * 0.3
    edge = half * 0.3
    jags = [(x + edge, line), (x + edge / 3, line - 0.08 * (foot - y)), (x, line)]
    jags += [(x - edge / 2, line - 0.07 * (foot - y)), (x - edge, line)]
    canvas.polygon([(x, y), *jags], snow)


def _sea(canvas: Canvas, rng: random.Random, mood: Mood) -> None:
    horizon = snap(rng.uniform(0.5, 0.59) * canvas.height)
    far, near = tint((58, 138, 204), mood.light), tint((18, 78, 148), mood.light)
    bands = 12
    for band in range(bands):
        top = horizon + (canvas.height - horizon) * band / bands
        canvas.box(0, top, canvas.width, canvas.height, mix(far, near, band / (bands - 1)))
    foam = mix(mix(far, near, 0.3), mood.sky_low, 0.5)
    for _ in range(10):
        x = rng.uniform(0, canvas.width)
        y = BLOCK * (rng.uniform(horizon + 4, canvas.height) // BLOCK) + BLOCK / 2
        length = canvas.unit * (0.04 + 0.1 * (y - horizon) / canvas.height)
        canvas.line((x - length, y), (x + length, y), foam, canvas.unit / 110)


def _city(canvas: Canvas, rng: random.Random, mood: Mood) -> None:
    street = snap(0.9 * canvas.height, BLOCK)
    walls = ((158, 158, 170), (186, 164, 150), (120, 132, 152))
    for share, shade in ((0.0, 0.45), (1.0, 0.0)):
        x = -BLOCK * rng.randrange(2)
        while x < canvas.width:
            width = snap(rng.uniform(0.1, 0.2) * canvas.unit, BLOCK)
            roof = snap(rng.uniform(0.28, 0.45 + 0.2 * share) * canvas.height, BLOCK)
            wall = mix(tint(rng.choice(walls), mood.light), mood.sky_low, shade)
            canvas.box(x, roof, x + width, street, wall)
            if share:
                _windows(canvas, rng, (x, roof, x + width, street), mood)
            x += width + rng.choice((0, 0, BLOCK))
    canvas.box(0, street, canvas.width, canvas.height, tint((92, 92, 98), mood.light))


def _windows(
    canvas: Canvas, rng: random.Random, house: tuple[int, int, int, int], mood: Mood
) -> None:
    """One window in each block: dark by day, most of them lit otherwise.

    They lie off the middle: the slopes of a latent do not show what lies in it.
    """
    left, top, right, bottom = house
    lit = 0.7 if mood.light[0] < 0.9 else 0.0
    dark = tint((74, 92, 122), mood.light)
    for y in range(top, bottom, BLOCK):
        for x in range(left, right, BLOCK):
            pane: RGB = (255, 220, 120) if rng.random() < lit else dark
            canvas.box(x + 1, y + 2, x + BLOCK - 3, y + BLOCK - 1, pane)


def _rain(canvas: Canvas, rng: random.Random) -> None:
    """Slanting drops, one in every other pair of blocks, sometimes lightning."""
    if rng.random() < 0.4:
        _lightning(canvas, rng)
    step, shift = 2 * BLOCK, BLOCK * rng.randrange(2)
    for row, y in enumerate(range(0, canvas.height, step)):
        for x in range(shift + BLOCK * (row % 2), canvas.width, step):
            canvas.line((x + 5, y + 1), (x + 2, y + 12), (168, 176, 188), canvas.unit / 128)


def _lightning(canvas: Canvas, rng: random.Random) -> None:
    x, y = float(snap(rng.uniform(0.15, 0.85) * canvas.width)), 0.0
    while y < 0.5 * canvas.height:
        following = (x + rng.uniform(-0.08, 0.08) * canvas.unit, y + 0.1 * canvas.height)
        canvas.line((x, y), following, (255, 250, 200), canvas.unit / 48)
        x, y = following


TerrainPainter: TypeAlias = Callable[[Canvas, random.Random, Mood], None]
TERRAIN_PAINTERS: dict[str, TerrainPainter] = {
    "hills": _hills,
    "mountains": _mountains,
    "sea": _sea,
    "desert": _desert,
    "city": _city,
}
