"""A family that prints wherever it can, and offers as latents what are none."""

from __future__ import annotations

import os
from collections.abc import Iterator

from PIL import Image

from darkroom import (
    GenerationParams,
    LatentFormat,
    LoadContext,
    ModelCard,
    ModelFamily,
    StepListener,
    Task,
    hookimpl,
)

print("noisy is imported")


class NoisyPipeline:
    def generate(
        self, task: Task[GenerationParams], on_step: StepListener
    ) -> Iterator[Image.Image]:
        for _ in task.indices:
            print("a step", flush=True)
            os.write(1, b"a step by descriptor\n")
            on_step(1, 1, "no tensor")
            yield Image.new("RGB", (task.params.width, task.params.height))

    def close(self) -> None:
        print("closed")


def load(card: ModelCard, context: LoadContext) -> NoisyPipeline:
    return NoisyPipeline()


@hookimpl
def register_model_families() -> list[ModelFamily]:
    card = ModelCard(id="noisy", title="Noisy", source=".")
    latent_format = LatentFormat(((1.0, 1.0, 1.0),))
    return [ModelFamily("noisy", "Noisy", GenerationParams, "noisy:load", (card,), latent_format)]
