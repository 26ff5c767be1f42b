"""What is in a picture, before it is drawn or described: records, and how they are drawn by lot.

Some (colour, shape, ground) triples are never produced for training, so that the evaluation can
ask for combinations the model has not seen.
"""

import random
import zlib
from dataclasses import dataclass, replace
from typing import TypeAlias

from .words import (
    COLOURS,
    EXTRA_COLOURS,
    EXTRAS,
    IN_SKY,
    ON_TERRAIN,
    PLACES,
    SHAPES,
    SIZES,
    TERRAINS,
    TIMES,
    Point,
)

HELD_OUT_ONE_IN = 20
SHARE_LANDSCAPE, SHARE_PAIR, SHARE_BARE = 0.45, 0.22, 0.02
SHARE_TWINS = 0.12  # of pairs: both look alike
JITTER = 0.03  # how far a shape may stand from its place, as a fraction of the frame


@dataclass(frozen=True)
class Thing:
    """One shape: ``extent`` is a fraction of the shorter side, ``centre`` of width and height."""

    shape: str
    colour: str
    size: str
    place: str
    extent: float
    centre: Point


@dataclass(frozen=True)
class FlatScene:
    """Shapes on one flat colour. ``relation`` says how two things stand: beside or above."""

    ground: str
    things: tuple[Thing, ...] = ()
    relation: str = ""


@dataclass(frozen=True)
class Extra:
    """Something in a landscape; ``colour`` is empty where it has none to choose."""

    name: str
    colour: str = ""


@dataclass(frozen=True)
class Landscape:
    """A view; ``layout`` seeds everything about it that no word describes."""

    terrain: str
    time: str
    extras: tuple[Extra, ...] = ()
    layout: int = 0


Scene: TypeAlias = FlatScene | Landscape


def is_held_out(colour: str, shape: str, ground: str) -> bool:
    """Whether the triple is kept from training; the same on every machine and for all time."""
    return zlib.crc32(f"{colour} {shape} {ground}".encode()) % HELD_OUT_ONE_IN == 0


def held_out_triples() -> list[tuple[str, str, str]]:
    """Every (colour, shape, ground) that no training scene contains."""
    return [
        (colour, shape, ground)
        for colour in COLOURS
        for shape in SHAPES
        for ground in COLOURS
        if colour != ground and is_held_out(colour, shape, ground)
    ]


def make_thing(rng: random.Random, shape: str, colour: str, size: str, place: str) -> Thing:
    """A thing with its exact extent and centre drawn by lot within what the words allow."""
    x, y = PLACES[place]
    centre = (x + rng.uniform(-JITTER, JITTER), y + rng.uniform(-JITTER, JITTER))
    return Thing(shape, colour, size, place, rng.uniform(*SIZES[size]), centre)


def sample_scene(rng: random.Random) -> Scene:
    """A scene fit for training."""
    lot = rng.random()
    if lot < SHARE_LANDSCAPE:
        return sample_landscape(rng)
    ground = rng.choice(list(COLOURS))
    if lot < SHARE_LANDSCAPE + SHARE_BARE:
        return FlatScene(ground)
    if lot < SHARE_LANDSCAPE + SHARE_BARE + SHARE_PAIR:
        return _sample_pair(rng, ground)
    place = "middle" if rng.random() < 0.25 else rng.choice(list(PLACES))
    size = rng.choice(list(SIZES))
    return FlatScene(ground, (_sample_thing(rng, ground, size, place),))


def _sample_thing(rng: random.Random, ground: str, size: str, place: str) -> Thing:
    while True:
        shape, colour = rng.choice(SHAPES), rng.choice(list(COLOURS))
        if colour != ground and not is_held_out(colour, shape, ground):
            return make_thing(rng, shape, colour, size, place)


def _sample_pair(rng: random.Random, ground: str) -> FlatScene:
    relation, places = rng.choice([("beside", ("left", "right")), ("above", ("top", "bottom"))])
    size = rng.choice(("small", "medium"))
    first, second = (_sample_thing(rng, ground, size, place) for place in places)
    if rng.random() < SHARE_TWINS:
        second = replace(second, shape=first.shape, colour=first.colour)
    return FlatScene(ground, (first, second), relation)


def sample_landscape(rng: random.Random) -> Landscape:
    """A landscape with up to four extras that fit its terrain and time."""
    terrain, time = rng.choice(TERRAINS), rng.choice(TIMES)
    names = [name for name in IN_SKY[time] if rng.random() < 0.5]
    standing = rng.choice(ON_TERRAIN[terrain])
    if rng.random() < 0.6:
        names.append(standing)
    extras = tuple(Extra(name, _sample_extra_colour(rng, name)) for name in names)
    return Landscape(terrain, time, extras, rng.getrandbits(32))


def _sample_extra_colour(rng: random.Random, name: str) -> str:
    colours = EXTRA_COLOURS.get(name, ("",))
    return colours[0] if rng.random() < 0.35 else rng.choice(colours)


LABEL_CLASSES: tuple[int, ...] = (
    *(len(COLOURS) + 1, 3),
    *(len(SHAPES) + 1, len(COLOURS) + 1, len(SIZES) + 1, len(PLACES) + 1) * 2,
    *(len(TERRAINS) + 1, len(TIMES) + 1),
    *(len(COLOURS) + 2,) * len(EXTRAS),
)


def labels(scene: Scene) -> list[int]:
    """One class number per slot of ``LABEL_CLASSES``; 0 means that the scene has no such thing."""
    if isinstance(scene, Landscape):
        flat = [0] * 10
        view = [TERRAINS.index(scene.terrain) + 1, TIMES.index(scene.time) + 1]
        return flat + view + _extra_labels(scene.extras)
    colours = list(COLOURS)
    found = [colours.index(scene.ground) + 1, ("", "beside", "above").index(scene.relation)]
    for thing in scene.things:
        found.append(SHAPES.index(thing.shape) + 1)
        found.append(colours.index(thing.colour) + 1)
        found.append(list(SIZES).index(thing.size) + 1)
        found.append(list(PLACES).index(thing.place) + 1)
    return found + [0] * (len(LABEL_CLASSES) - len(found))


def _extra_labels(extras: tuple[Extra, ...]) -> list[int]:
    colour_of = {extra.name: extra.colour for extra in extras}
    known = ["", *COLOURS]
    return [known.index(colour_of[name]) + 1 if name in colour_of else 0 for name in EXTRAS]
