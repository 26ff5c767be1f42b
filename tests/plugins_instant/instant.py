"""A model family that takes no time: small pictures of one colour, for tests of everything else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from pydantic import Field

from darkroom import (
    ImageToImageParams,
    Integer,
    LoadContext,
    ModelCard,
    ModelFamily,
    Number,
    StepListener,
    Task,
    hookimpl,
)


class InstantParams(ImageToImageParams):
    """Small pictures."""

    width: Integer = Field(64, ge=64, le=128, multiple_of=16, description="Width in pixels.")
    height: Integer = Field(64, ge=64, le=128, multiple_of=16, description="Height in pixels.")
    steps: Integer = Field(2, ge=1, le=4, description="Steps to pretend.")
    num_images: Integer = Field(1, ge=1, le=2, description="How many images to make.")
    negative_prompt: str = Field("", max_length=10_000, description="Has no effect.")
    cfg_scale: Number = Field(5.0, ge=1, le=20, description="Has no effect.")


class Instant:
    """The model."""

    def generate(self, task: Task[InstantParams], on_step: StepListener) -> Iterator[Image.Image]:
        """The seed's last three bytes are the colour."""
        for index in task.indices:
            for step in range(task.params.steps):
                on_step(step + 1, task.params.steps)
            colour = tuple(task.seed(index).to_bytes(8, "big")[-3:])
            yield Image.new("RGB", (task.params.width, task.params.height), colour)

    def close(self) -> None:
        """There is nothing to let go of."""


def load(card: ModelCard, context: LoadContext) -> Instant:
    """Load nothing."""
    return Instant()


@hookimpl
def register_model_families() -> list[ModelFamily]:
    """Announce it."""
    card = ModelCard(
        id="instant",
        title="Instant",
        source=str(Path(__file__).parent),
        bundled=True,
    )
    family = ModelFamily(
        name="instant",
        title="Instant",
        params=InstantParams,
        load="instant:load",
        cards=(card,),
        capabilities=frozenset({"image_to_image", "negative_prompt"}),
    )
    return [family]
