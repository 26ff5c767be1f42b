"""The fixed cases of image to image: a drawn scene, and another prompt to paint over it."""

from dataclasses import dataclass

from .scenes import Extra, FlatScene, Landscape, Scene, Thing
from .words import PLACES


@dataclass(frozen=True)
class Repainting:
    """What is given, and what is asked for: ``wanted`` is what should then be seen."""

    scene: Scene
    prompt: str
    wanted: dict[str, str]


def _one(ground: str, colour: str, shape: str, place: str) -> FlatScene:
    return FlatScene(ground, (Thing(shape, colour, "big", place, 0.47, PLACES[place]),))


REPAINTINGS = (
    Repainting(
        _one("white", "red", "circle", "left"),
        "a big blue star on a yellow background",
        {"ground": "yellow", "colour": "blue", "shape": "star"},
    ),
    Repainting(
        _one("black", "yellow", "square", "top right"),
        "a big red heart on a green background",
        {"ground": "green", "colour": "red", "shape": "heart"},
    ),
    Repainting(
        _one("purple", "orange", "triangle", "bottom"),
        "a big white diamond on a blue background",
        {"ground": "blue", "colour": "white", "shape": "diamond"},
    ),
    Repainting(
        Landscape("hills", "day", (Extra("house", "red"),), layout=1),
        "a desert by day",
        {"terrain": "desert", "time": "day"},
    ),
    Repainting(
        Landscape("sea", "sunset", (Extra("sun"), Extra("boat", "white")), layout=2),
        "mountains at sunset",
        {"terrain": "mountains", "time": "sunset"},
    ),
    Repainting(
        Landscape("city", "night", (Extra("moon"),), layout=3),
        "hills at night",
        {"terrain": "hills", "time": "night"},
    ),
)
