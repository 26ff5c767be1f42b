"""The scenes the embedded model learns from: what is drawn, what is said, what is held out."""

import random
import re

import numpy as np
import pytest
from numpy.typing import NDArray

from model_plugins.postcard.training.captions import describe
from model_plugins.postcard.training.drawing import draw
from model_plugins.postcard.training.judge_flat import look
from model_plugins.postcard.training.scenes import (
    LABEL_CLASSES,
    Extra,
    FlatScene,
    Landscape,
    Scene,
    held_out_triples,
    is_held_out,
    labels,
    make_thing,
    sample_scene,
)
from model_plugins.postcard.training.words import (
    COLOURS,
    EXTRAS,
    IN_SKY,
    ON_TERRAIN,
    PLACES,
    SHAPES,
    TERRAINS,
    TIMES,
)
from tests.docs.pages import DOCS, text


def pixels(scene: Scene, width: int = 128, height: int = 128) -> NDArray[np.uint8]:
    return np.asarray(draw(scene, width, height))


def flat(
    colour: str, shape: str, ground: str, size: str = "medium", place: str = "middle"
) -> Scene:
    return FlatScene(ground, (make_thing(random.Random(0), shape, colour, size, place),))


def many_scenes(count: int = 3000) -> list[Scene]:
    rng = random.Random(5)
    return [sample_scene(rng) for _ in range(count)]


def brightness(scene: Scene) -> float:
    return float(pixels(scene).mean())


@pytest.mark.parametrize("ground", COLOURS)
def test_a_ground_has_exactly_its_colour(ground: str) -> None:
    picture = pixels(FlatScene(ground))
    assert (picture == COLOURS[ground]).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_shows_its_colour_and_leaves_the_border_to_the_ground(shape: str) -> None:
    picture = pixels(flat("red", shape, "cyan"))
    assert (picture == COLOURS["red"]).all(-1).mean() > 0.01
    border = np.concatenate([picture[:6].reshape(-1, 3), picture[:, -6:].reshape(-1, 3)])
    assert (border == COLOURS["cyan"]).all()


def test_a_big_star_fills_a_third_to_a_half_of_the_height() -> None:
    for seed in range(20):
        thing = make_thing(random.Random(seed), "star", "red", "big", "left")
        rows = (pixels(FlatScene("blue", (thing,))) != COLOURS["blue"]).any((1, 2))
        assert 1 / 3 < rows.mean() <= 0.52


@pytest.mark.parametrize("place", PLACES)
def test_the_pixel_judge_reads_what_was_drawn(place: str) -> None:
    for shape in SHAPES:
        assert look(pixels(flat("yellow", shape, "blue", place=place))) == (
            *("blue", "yellow", place, shape, "medium"),
        )


def test_two_things_stand_as_the_words_say() -> None:
    rng = random.Random(1)
    left, right = (
        make_thing(rng, "circle", colour, "small", place)
        for colour, place in (("red", "left"), ("green", "right"))
    )
    picture = pixels(FlatScene("white", (left, right), "beside"))
    red_x = np.nonzero((picture == COLOURS["red"]).all(-1))[1].mean()
    green_x = np.nonzero((picture == COLOURS["green"]).all(-1))[1].mean()
    assert red_x < 64 < green_x


@pytest.mark.parametrize("terrain", TERRAINS)
def test_day_is_brighter_than_any_other_time_and_night_is_darkest(terrain: str) -> None:
    light = {time: brightness(Landscape(terrain, time, layout=3)) for time in TIMES}
    assert max(light, key=light.__getitem__) == "day"
    assert min(light, key=light.__getitem__) == "night"
    assert light["day"] > light["night"] + 60


@pytest.mark.parametrize("time", TIMES)
def test_terrains_differ(time: str) -> None:
    pictures = [pixels(Landscape(terrain, time, layout=3)).astype(int) for terrain in TERRAINS]
    for number, first in enumerate(pictures):
        for second in pictures[number + 1 :]:
            assert np.abs(first - second).mean() > 5


def test_every_extra_changes_the_picture_where_it_may_stand() -> None:
    for terrain, time in ((terrain, time) for terrain in TERRAINS for time in TIMES):
        bare = pixels(Landscape(terrain, time, layout=9))
        for name in (*ON_TERRAIN[terrain], *IN_SKY[time]):
            colour = "" if name in IN_SKY[time] else "red"
            with_it = pixels(Landscape(terrain, time, (Extra(name, colour),), layout=9))
            assert (bare != with_it).any(), (terrain, time, name)


@pytest.mark.parametrize("size", [(64, 64), (208, 96), (96, 176)])
def test_any_size_is_drawn(size: tuple[int, int]) -> None:
    rng = random.Random(2)
    for _ in range(20):
        assert pixels(sample_scene(rng), *size).shape == (size[1], size[0], 3)


def test_the_same_scene_gives_the_same_pixels_and_seeds_vary_the_layout() -> None:
    scenes = [Landscape("hills", "day", (Extra("sun"),), layout=layout) for layout in (1, 1, 2)]
    first, again, other = (pixels(scene) for scene in scenes)
    assert (first == again).all()
    assert (first != other).any()


def test_the_same_seed_gives_the_same_scenes_and_captions() -> None:
    def told(seed: int) -> list[str]:
        rng = random.Random(seed)
        return [describe(sample_scene(rng), rng) for _ in range(100)]

    assert told(3) == told(3)
    assert told(3) != told(4)


def test_held_out_triples_are_never_drawn_for_training() -> None:
    for scene in many_scenes():
        for thing in scene.things if isinstance(scene, FlatScene) else ():
            assert not is_held_out(thing.colour, thing.shape, scene.ground)
            assert thing.colour != scene.ground


def test_the_held_out_rule_never_changes() -> None:
    # Shipped weights were trained by it: another rule would judge them on what they have seen.
    triples = held_out_triples()
    assert len(triples) == 32
    assert triples[:2] == [("red", "circle", "orange"), ("red", "circle", "white")]
    assert is_held_out("black", "diamond", "green")


def test_extras_fit_their_terrain_and_time() -> None:
    for scene in many_scenes():
        if isinstance(scene, Landscape):
            for extra in scene.extras:
                assert extra.name in (*ON_TERRAIN[scene.terrain], *IN_SKY[scene.time])


def test_captions_name_the_ground_in_both_words_and_vary() -> None:
    rng = random.Random(0)
    scene = flat("red", "star", "blue")
    captions = {describe(scene, rng) for _ in range(300)}
    assert len(captions) > 100
    assert all("star" in text for text in captions)
    assert np.mean(["blue" in text for text in captions]) > 0.9  # seldom the ground is not said
    for words in ("background", "the ground is blue", "on blue", "with a blue"):
        assert any(words in text for text in captions), words


def test_the_synonyms_that_the_documentation_names_are_trained() -> None:
    rng = random.Random(3)
    said = "\n".join(describe(scene, rng) for scene in many_scenes(20_000))
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", text(DOCS / "embedded-model.md"), re.MULTILINE)
    words = [word for row in rows[1:] for cell in row for word in cell.split(", ")]
    assert len(words) > 35
    assert [word for word in words if not re.search(rf"\b{word}\b", said)] == []


def test_captions_tell_landscapes_apart() -> None:
    rng = random.Random(0)
    night = {describe(Landscape("sea", "night"), rng) for _ in range(200)}
    assert not night & {describe(Landscape("sea", "day"), rng) for _ in range(200)}


def test_labels_fit_their_classes_and_are_complete() -> None:
    seen = np.array([labels(scene) for scene in many_scenes()])
    assert seen.shape[1] == len(LABEL_CLASSES)
    assert (seen < np.array(LABEL_CLASSES)).all()
    assert (seen[:, -len(EXTRAS) :].max(0) > 0).all()
