"""A model family without a model that takes several images, and masks, and shows previews.

An image is one stripe per given image, from left to right, each of the colour in that image's
middle; without any it has the colour that the prompt names. Where the mask is white everything has
that colour. Previews brighten from black to white, step by step.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageColor
from pydantic import Field

from darkroom import (
    GenerationParams,
    ImageSource,
    Integer,
    LatentFormat,
    LoadContext,
    ModelCard,
    ModelFamily,
    Number,
    StepListener,
    Task,
    hookimpl,
)

Colour = tuple[int, int, int]

#: What prompts without a colour give.
GREY: Colour = (128, 128, 128)


class CollageParams(GenerationParams):
    """Parameters of the collages."""

    image_words = ("init_image", "reference_images", "mask_image")

    width: Integer = Field(64, ge=64, le=256, multiple_of=16, description="Width in pixels.")
    height: Integer = Field(64, ge=64, le=256, multiple_of=16, description="Height in pixels.")
    steps: Integer = Field(2, ge=1, le=50, description="Steps to pretend.")
    delay: Number = Field(0.0, ge=0, le=1, description="Seconds that each step takes.")
    init_image: ImageSource | None = Field(None, description="The first stripe.")
    reference_images: list[ImageSource] = Field([], max_length=3, description="Further stripes.")
    mask_image: ImageSource | None = Field(None, description="White where the prompt counts.")


class Latents:
    """As much of a tensor as previews need."""

    is_cuda = False

    def __init__(self, brightness: float) -> None:
        self._array = np.full((3, 8, 8), 2 * brightness - 1, dtype=np.float32)

    def detach(self) -> Latents:
        """Itself: nothing is attached."""
        return self

    def to(self, device: str, *, copy: bool) -> Latents:
        """Itself: nothing writes to it."""
        return self

    def float(self) -> Latents:
        """Itself: it holds floats."""
        return self

    def numpy(self) -> npt.NDArray[np.float32]:
        """The numbers."""
        return self._array


def named(prompt: str) -> Colour:
    """The first colour in a prompt, by CSS's names."""
    for word in prompt.lower().split():
        if word in ImageColor.colormap:
            red, green, blue = ImageColor.getrgb(word)[:3]
            return red, green, blue
    return GREY


class Collage:
    """The model."""

    def generate(self, task: Task[CollageParams], on_step: StepListener) -> Iterator[Image.Image]:
        """Yield one collage per index."""
        for _ in task.indices:
            for step in range(1, task.params.steps + 1):
                time.sleep(task.params.delay)
                on_step(step, task.params.steps, Latents(step / task.params.steps))
            yield _collage(task)

    def close(self) -> None:
        """Nothing is held."""


def _collage(task: Task[CollageParams]) -> Image.Image:
    params, paths = task.params, [*task.inputs]
    mask = paths.pop() if params.mask_image else None
    whole = Image.new("RGB", (params.width, params.height), named(params.prompt))
    made = whole.copy()
    for place, path in enumerate(paths):
        left = params.width * place // len(paths)
        made.paste(_middle(path), (left, 0, params.width, params.height))
    if mask is not None:
        with Image.open(mask) as white:
            made.paste(whole, mask=white.resize(whole.size, Image.Resampling.NEAREST))
    return made


def _middle(path: Path) -> Colour:
    with Image.open(path) as image:
        found: Any = image.convert("RGB").getpixel((image.width // 2, image.height // 2))
    red, green, blue = found
    return red, green, blue


def load(card: ModelCard, context: LoadContext) -> Collage:
    """Load nothing."""
    return Collage()


@hookimpl
def register_model_families() -> list[ModelFamily]:
    """Announce the collages."""
    here = str(Path(__file__).resolve().parent)
    card = ModelCard("collage", "Collage", here, training_resolution=128, bundled=True)
    factors = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    return [
        ModelFamily(
            name="collage",
            title="Collage",
            params=CollageParams,
            load="collage:load",
            cards=(card,),
            latent_format=LatentFormat(factors),
            capabilities=frozenset({"image_to_image", "inpainting"}),
        )
    ]
