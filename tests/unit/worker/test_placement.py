"""Every placement gives the same image, and can be undone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from server.worker.offload import MODES, Decision, Mode
from server.worker.placement import apply, undo
from tests.families.tiny import flux
from tests.unit.worker import two_encoders

# Torch's arrays, with this numpy.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")

PIPELINES: dict[str, Callable[[], Any]] = {
    "unet": two_encoders.build,
    "transformer": lambda: flux.pipeline("flux-dev"),
}


def decision(mode: Mode, *, tiles: bool = False) -> Decision:
    return Decision(mode, tiles, tiles, 0, fits=True, reason="")


def draw(pipe: Any) -> bytes:
    pipe.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(1)
    size = {"width": 64, "height": 64}
    image = pipe("a cat", num_inference_steps=2, generator=generator, **size).images[0]
    data: bytes = image.tobytes()
    return data


@pytest.mark.parametrize("kind", PIPELINES)
def test_every_placement_gives_the_same_image_and_can_be_undone(kind: str) -> None:
    pipe = PIPELINES[kind]()
    plain = draw(pipe)
    for mode in (*MODES, *reversed(MODES)):
        apply(pipe, decision(mode), "cpu")
        assert draw(pipe) == plain, mode
        assert draw(pipe) == plain, f"{mode}, again"
        undo(pipe)
        assert draw(pipe.to("cpu")) == plain, f"after {mode}"


def test_tiles_and_slices_are_set_both_ways() -> None:
    pipe = two_encoders.build()
    apply(pipe, decision("none", tiles=True), "cpu")
    assert (pipe.vae.use_tiling, pipe.vae.use_slicing) == (True, True)
    apply(pipe, decision("none"), "cpu")
    assert (pipe.vae.use_tiling, pipe.vae.use_slicing) == (False, False)
    apply(pipe, decision("model", tiles=True), "cpu")
    undo(pipe)
    assert (pipe.vae.use_tiling, pipe.vae.use_slicing) == (False, False)
