"""Values of other APIs bent to what a model takes."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import Field

from server.fitting import (
    Fitted,
    fit,
    image_room,
    least_strength,
    placed,
    ratio_of,
    size_of_ratio,
)
from server.generation import MAX_SEED, ImageToImageParams, Integer, Number


class Params(ImageToImageParams):
    """A model with narrow tastes."""

    width: Integer = Field(512, ge=128, le=1000, multiple_of=16)
    cfg_scale: Number = Field(5.0, ge=1, le=20)
    sampler: Literal["euler_a", "ddim"] = "ddim"


SCHEMA = Params.model_json_schema()
SCHEMA["properties"]["steps"]["const"] = 4


@pytest.mark.parametrize(
    ("word", "wanted", "found"),
    [
        ("width", 512, 512), ("width", 519, 512), ("width", 521, 528), ("width", 5, 128),
        ("width", 4000, 992), ("width", 1000, 992),
        ("steps", 30, 4), ("cfg_scale", 0.5, 1.0), ("cfg_scale", 3.3, 3.3),
        ("sampler", "Euler A", "euler_a"), ("sampler", "unheard of", "ddim"),
        ("seed", -5, 0), ("seed", 2**60, MAX_SEED), ("prompt", "x", "x"),
    ],
)  # fmt: skip
def test_the_nearest_that_the_model_takes(word: str, wanted: Any, found: Any) -> None:
    fitted = fit(SCHEMA, {word: wanted})
    assert fitted.body == {word: found}
    assert [word in note for note in fitted.notes] == [True] * (found != wanted)


def test_words_that_it_does_not_have_are_left_out_and_told_of() -> None:
    fitted = fit(SCHEMA, {"prompt": "a", "guidance": 3, "cfg_scale": None})
    assert fitted.body == {"prompt": "a"}
    assert fitted.notes == ("guidance is not used by this model and was left out.",)


@given(
    width=st.integers(-(10**9), 10**9),
    cfg=st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**20), 10**20),
    seed=st.integers(-(10**20), 10**20),
    sampler=st.text(),
)
def test_what_is_fitted_is_valid(width: int, cfg: float, seed: int, sampler: str) -> None:
    wanted = {"prompt": "a", "width": width, "cfg_scale": cfg, "seed": seed, "sampler": sampler}
    body = fit(SCHEMA, wanted).body
    Draft202012Validator(SCHEMA).validate(body)
    assert Params.model_validate(body).width == body["width"]


@pytest.mark.parametrize(
    ("ratio", "size"),
    [("1:1", (1024, 1024)), ("16:9", (1360, 768)), ("9:16", (768, 1360)), ("3:2", (1248, 832))],
)
def test_a_ratio_is_about_a_megapixel(ratio: str, size: tuple[int, int]) -> None:
    assert size_of_ratio(ratio) == size


@given(st.integers(1, 99), st.integers(1, 99))
def test_sizes_of_ratios_are_multiples_of_16(across: int, down: int) -> None:
    width, height = size_of_ratio(f"{across}:{down}")
    assert (width % 16, height % 16) == (0, 0)
    assert min(width, height) >= 16


@pytest.mark.parametrize("text", ["", "1", "1:0", "a:b", "1:2:3", "-1:1", "1:99999", "²:1"])
def test_what_is_no_ratio(text: str) -> None:
    with pytest.raises(ValueError, match="aspect ratio"):
        size_of_ratio(text)


def test_notes_are_told_in_the_client_s_words() -> None:
    fitted = Fitted({"steps": 4}, ("cfg_scale 9 was changed.", "width 7 was changed.", "alone"))
    told = fitted.in_words({"cfg_scale": "guidance"})
    assert told.body == {"steps": 4}
    assert told.notes == ("guidance 9 was changed.", "width 7 was changed.", "alone")


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_the_ratio_of_any_size_is_one(width: int, height: int) -> None:
    found = size_of_ratio(ratio_of((width, height)))
    assert (found[0] > found[1]) <= (width > height), "a square may come of almost a square"
    assert min(found) >= 16


@given(st.integers(1, 1000))
def test_the_least_strength_runs_a_step(steps: int) -> None:
    assert int(steps * least_strength(steps)) >= 1
    assert least_strength(steps) - 0.0001 <= 1 / steps + 1e-9, "no more than it must"


BOTH = {"properties": {"init_image": {}, "reference_images": {"maxItems": 2}}}
BEGINS = {"properties": {"init_image": {}}}
REFERS = {"properties": {"reference_images": {"maxItems": 2}}}
NEITHER: dict[str, Any] = {"properties": {}}


@pytest.mark.parametrize(
    ("schema", "room", "images", "found"),
    [
        (BOTH, 3, ["a", "b", "c"], {"init_image": "a", "reference_images": ["b", "c"]}),
        (BOTH, 3, ["a"], {"init_image": "a"}),
        (BEGINS, 1, ["a"], {"init_image": "a"}),
        (REFERS, 2, ["a", "b"], {"reference_images": ["a", "b"]}),
        (NEITHER, 0, [], {}),
    ],
)
def test_images_take_the_places_that_a_model_has(
    schema: dict[str, Any], room: int, images: list[str], found: dict[str, Any]
) -> None:
    assert image_room(schema) == room
    assert placed(images, schema) == found
