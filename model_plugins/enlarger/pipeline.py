"""Loads an upscaler and runs it. Imports torch only for networks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from PIL.Image import Image

from darkroom import LoadContext, ModelCard, StepListener, Task
from model_plugins.enlarger import UpscaleParams, lanczos
from server.worker.input_image import open_upright

#: Where there are no weights: the source of Lanczos' card.
PACKAGE = Path(__file__).parent


class Enlarger(Protocol):
    """What makes an image larger."""

    def enlarge(self, image: Image, scale: int, on_step: StepListener) -> Image:
        """`image` (RGB), `scale` times as wide and as high; `on_step` hears of each part."""


class UpscalePipeline:
    """A loaded upscaler."""

    def __init__(self, enlarger: Enlarger) -> None:
        self._enlarger: Enlarger | None = enlarger

    def generate(self, task: Task[UpscaleParams], on_step: StepListener) -> Iterator[Image]:
        """See `Pipeline`. The seed changes nothing."""
        assert self._enlarger is not None
        image = open_upright(task.inputs[0])
        for _ in task.indices:
            yield self._enlarger.enlarge(image, task.params.scale, on_step)

    def close(self) -> None:
        """See `Pipeline`."""
        self._enlarger = None


def load(card: ModelCard, context: LoadContext) -> UpscalePipeline:
    """Lanczos, or the network of a file.

    Raises:
        ModelLoadFailed: it is no file of an upscaler, or spandrel is not installed.
    """
    if context.path.resolve() == PACKAGE.resolve():
        return UpscalePipeline(lanczos.Lanczos())
    # Here, because it imports torch, which Lanczos does without.
    from model_plugins.enlarger import network

    return UpscalePipeline(network.load(card, context))
