"""A model family without a model: gradients from the colour the prompt names to one of the seed.

The test double for everything above the pipeline: deterministic, instantaneous, torch-free.
The left edge of every image has exactly the colour that `left_edge(prompt)` returns, or that of the
middle of the initial image. A prompt of more than 50 words is warned of. Words in
the prompt make it misbehave, anywhere or where `at image I` and `at step S` say:

- `raise`: RuntimeError("asked to raise")
- `out of memory`: an exception whose class is named OutOfMemoryError, as torch's is
- `exit`: the process ends at once with status 1 (in the process executor only)
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
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
from server.worker.input_image import open_upright

__version__ = "1.2.3"

Colour = tuple[int, int, int]

NAMED: dict[str, Colour] = {
    "red": (200, 30, 30),
    "green": (30, 160, 60),
    "blue": (30, 60, 200),
    "yellow": (230, 200, 40),
    "black": (0, 0, 0),
    "white": (255, 255, 255),
}

_MISCHIEF = re.compile(r"\b(raise|out of memory|exit)\b(?: at image (\d+))?(?: at step (\d+))?")


class ColoursParams(ImageToImageParams):
    """Parameters of the colours."""

    width: Integer = Field(64, ge=64, le=2048, multiple_of=16, description="Width in pixels.")
    height: Integer = Field(64, ge=64, le=2048, multiple_of=16, description="Height in pixels.")
    steps: Integer = Field(4, ge=1, le=150, description="Steps to pretend.")
    negative_prompt: str = Field("", max_length=10_000, description="Changes the right edge.")
    cfg_scale: Number = Field(5.0, ge=1, le=20, description="Changes the right edge.")
    sampler: Literal["euler", "euler_a", "ddim"] = Field(
        "euler", description="Changes the right edge."
    )
    delay: Number = Field(0.0, ge=0, le=60, description="Seconds that each step takes.")


class OutOfMemoryError(RuntimeError):
    """Named like torch's."""


def left_edge(prompt: str) -> Colour:
    """The first colour word of the prompt, else a colour of its own."""
    for word in re.findall(r"\w+", prompt.lower()):
        if word in NAMED:
            return NAMED[word]
    return _hashed(prompt)


def _right_edge(task: Task[ColoursParams], index: int) -> Colour:
    recipe = task.params.model_dump(exclude={"delay", "num_images"})
    return _hashed(json.dumps({**recipe, "seed": task.seed(index)}, sort_keys=True))


def _hashed(text: str) -> Colour:
    red, green, blue = hashlib.sha256(text.encode()).digest()[:3]
    return red, green, blue


class ColoursPipeline:
    """Paints."""

    def generate(self, task: Task[ColoursParams], on_step: StepListener) -> Iterator[Image.Image]:
        """Yield one gradient per index."""
        if len(task.params.prompt.split()) > 50:
            on_step.warn("The prompt has more than 50 words.")
        for index in task.indices:
            for step in range(1, task.params.steps + 1):
                time.sleep(task.params.delay)
                _misbehave(task.params.prompt, index, step)
                on_step(step, task.params.steps, None)
            yield _gradient(task, index)

    def close(self) -> None:
        """Nothing is held."""


def _misbehave(prompt: str, index: int, step: int) -> None:
    for deed, at_image, at_step in _MISCHIEF.findall(prompt):
        if int(at_image or index) == index and int(at_step or step) == step:
            if deed == "exit":
                os._exit(1)
            raise RuntimeError("asked to raise") if deed == "raise" else OutOfMemoryError("full")


def _gradient(task: Task[ColoursParams], index: int) -> Image.Image:
    start, end = left_edge(task.params.prompt), _right_edge(task, index)
    for path in task.inputs:
        start = _middle(path)
    row = np.linspace(start, end, task.params.width).round().astype(np.uint8)
    return Image.fromarray(np.tile(row, (task.params.height, 1, 1)))


def _middle(path: Path) -> Colour:
    image = open_upright(path)
    red, green, blue = np.asarray(image)[image.height // 2, image.width // 2]
    return int(red), int(green), int(blue)


def load(card: ModelCard, context: LoadContext) -> ColoursPipeline:
    """Load nothing."""
    return ColoursPipeline()


def _card(model: str, **more: Any) -> ModelCard:
    here = str(Path(__file__).resolve().parent)
    title = model.replace("-", " ").capitalize()
    return ModelCard(
        id=model,
        title=title,
        source=here,
        license="Apache-2.0",
        training_resolution=64,
        bundled=True,
        **more,
    )


@hookimpl
def register_model_families() -> list[ModelFamily]:
    """Announce the colours."""
    cards = (
        _card("colours", aliases=("colors",)),
        _card("colours-four-step", fixed={"steps": 4}),
    )
    return [
        ModelFamily(
            name="colours",
            title="Colours",
            params=ColoursParams,
            load="colours:load",
            cards=cards,
            capabilities=frozenset({"negative_prompt", "image_to_image"}),
        )
    ]
