"""Requests for images: what is understood, and what the model's own limits make of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dialects.krea.asking import SMALL, Address, generated
from tests.serving import LiveServer


def recipe(server: LiveServer) -> dict[str, Any]:
    """What made the newest image."""
    [newest] = server.client.get("/api/images", params={"limit": 1}).json()["images"]
    found: dict[str, Any] = newest
    return found


@pytest.mark.parametrize("name", ["cfg_scale", "cfg_guidance"])
def test_the_guidance_by_both_of_its_names(main: Address, server: LiveServer, name: str) -> None:
    generated(main.generate({**SMALL, name: 7.5}))
    assert recipe(server)["cfg_scale"] == 7.5


def test_further_fields_are_ignored(main: Address, server: LiveServer) -> None:
    body = {**SMALL, "model": "nothing", "negative_prompt": "blue", "id": {}, "delay": 60}
    image = generated(main.generate(body))
    assert image.getpixel((0, 0)) == (200, 30, 30)
    assert recipe(server)["negative_prompt"] == ""


def test_the_same_seed_gives_the_same_image(main: Address) -> None:
    first, second = (generated(main.generate({**SMALL, "seed": 7})) for _ in range(2))
    assert first.tobytes() == second.tobytes()


def test_minus_one_draws_a_seed(main: Address, server: LiveServer) -> None:
    generated(main.generate({**SMALL, "seed": -1}))
    drawn = recipe(server)["seed"]
    generated(main.generate({**SMALL, "seed": -1}))
    assert 0 <= drawn != recipe(server)["seed"]


def test_sizes_that_the_model_does_not_take_are_bent(main: Address) -> None:
    body = {**SMALL, "width": 520, "height": 2040}
    width, height = generated(main.generate(body)).size
    assert width in (512, 528)
    assert height in (2032, 2048)


def test_a_seed_beyond_the_models_becomes_its_largest(main: Address, server: LiveServer) -> None:
    generated(main.generate({**SMALL, "seed": 2**64}))
    assert recipe(server)["seed"] == 2**53 - 1


def test_the_model_is_the_current_one(main: Address, slowly: LiveServer) -> None:
    assert main.get("/health").json()["model"] == "slow"
    generated(main.generate(SMALL))
    assert recipe(slowly)["model"] == "slow"
