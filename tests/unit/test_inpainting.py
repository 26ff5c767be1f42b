"""Requests with masks: the words, what belongs together, and that the schema says the same."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from darkroom import InpaintingParams
from darkroom.loras import LoraParams

IMAGE = "20260121_115610_abcd1234_0.png"
MASK = f"input:{'0' * 64}"


class Params(InpaintingParams, LoraParams):
    """A family's, as they all are."""


BODIES: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"mask_image": None}, True),
    ({"init_image": IMAGE}, True),
    ({"init_image": IMAGE, "mask_image": None}, True),
    ({"init_image": IMAGE, "mask_image": MASK}, True),
    ({"mask_image": MASK}, False),
    ({"init_image": None, "mask_image": MASK}, False),
    ({"init_image": IMAGE, "mask_image": "mask.png"}, False),
    ({"init_image": IMAGE, "mask_image": [MASK]}, False),
]


@pytest.mark.parametrize(("words", "accepted"), BODIES)
def test_the_schema_and_the_validation_agree(words: dict[str, Any], accepted: bool) -> None:
    body = {"prompt": "red", **words}
    schema = Params.model_json_schema()
    Draft202012Validator.check_schema(schema)
    assert Draft202012Validator(schema).is_valid(body) is accepted
    if accepted:
        assert Params.model_validate(body).model_dump(exclude_unset=True) == body
    else:
        with pytest.raises(ValidationError):
            Params.model_validate(body)


def test_a_mask_without_an_image_is_told_where_it_stands() -> None:
    with pytest.raises(ValidationError) as raised:
        Params(prompt="red", mask_image=MASK)
    (error,) = raised.value.errors()
    assert (error["loc"], error["type"]) == (("mask_image",), "mask_without_image")
    assert error["msg"] == "needs `init_image`, of which it says what is redrawn"


def test_the_mask_is_the_last_of_the_images() -> None:
    assert Params(prompt="red", init_image=IMAGE, mask_image=MASK).image_sources == (IMAGE, MASK)
    assert Params(prompt="red", init_image=IMAGE).image_sources == (IMAGE,)
    assert Params.mask_word == Params.image_words[-1]
