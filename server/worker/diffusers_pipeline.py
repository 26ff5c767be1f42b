"""What families that run a pipeline of diffusers have in common."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers.utils import logging as diffusers_logging
from PIL.Image import Image
from transformers.utils import logging as transformers_logging

from server.generation import GenerationParams, Task
from server.plugins.types import StepListener
from server.worker import samplers

#: What libraries warn about when they load a pipeline that is in order, by logger.
HARMLESS: Mapping[str, str] = {
    # A component of another class than the annotations name (a tiny autoencoder, say) works.
    "diffusers.pipelines.pipeline_utils": "Expected types for ",
    # `AutoencoderTiny` saves this attribute and then does not expect it.
    "diffusers.configuration_utils": "{'block_out_channels'",
    # Pillow resizes images as well, and text to image resizes none.
    "transformers.utils.import_utils": "requires torchvision (not installed)",
}


class DiffusersPipeline(ABC):
    """A loaded pipeline of diffusers; a family says with which arguments to call it.

    An image equals that of a plain call of the pipeline with the same arguments, byte for byte.
    """

    def __init__(self, pipe: Any) -> None:
        """
        Args:
            pipe: a `diffusers.DiffusionPipeline`, on its device. It is changed: its modules are
                frozen, its progress bar is off.
        """
        # Else loading and unloading an adapter moves the image by a last bit.
        for component in pipe.components.values():
            if isinstance(component, torch.nn.Module):
                component.requires_grad_(False)
        pipe.set_progress_bar_config(disable=True)
        self._pipe = pipe
        self._scheduler_config = pipe.scheduler.config

    @abstractmethod
    def arguments(self, params: Any) -> dict[str, Any]:
        """The arguments of the pipeline's call for `params` (the family's own class), except the
        generator and the step callback."""

    def sampler(self, params: Any) -> str:
        """The name of the sampler to use, one of `samplers.SAMPLERS`."""
        name: str = params.sampler
        return name

    def generate(self, task: Task[GenerationParams], on_step: StepListener) -> Iterator[Image]:
        """See `Pipeline`. Images are made one by one: in a batch their last bits would differ."""
        for index in task.indices:
            yield self._image(task.params, task.seed(index), on_step)

    def close(self) -> None:
        """See `Pipeline`."""
        self._pipe = None

    def _image(self, params: GenerationParams, seed: int, on_step: StepListener) -> Image:
        name = self.sampler(params)
        pipe = self._pipe
        pipe.scheduler = samplers.build(name, self._scheduler_config)
        clean_latents = samplers.watch(pipe.scheduler, name)

        def step_end(pipe: Any, step: int, _timestep: Any, _tensors: Any) -> dict[str, Any]:
            # The pipeline's own total: image to image runs fewer steps than were asked for.
            on_step(step + 1, pipe.num_timesteps, clean_latents()[0])
            return {}

        image: Image = pipe(
            **self.arguments(params),
            # Noise from the CPU's generator is the same on every device, and the same that other
            # tools draw for this seed.
            generator=torch.Generator("cpu").manual_seed(seed),
            callback_on_step_end=step_end,
            callback_on_step_end_tensor_inputs=[],
        ).images[0]
        return image


def load_pretrained(pipeline: str, path: Path, dtype: str, **arguments: Any) -> Any:
    """A pipeline from a folder of files, without asking a hub and without progress bars.

    Args:
        pipeline: the name of a pipeline's class in `diffusers`.
        path: the folder, as `save_pretrained` writes it.
        dtype: torch's name of the type to load the weights as.
        arguments: more for `from_pretrained`.
    """
    with _no_progress_bars(), _hushed():
        return getattr(diffusers, pipeline).from_pretrained(
            path, dtype=getattr(torch, dtype), local_files_only=True, **arguments
        )


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    libraries = (diffusers_logging, transformers_logging)
    for library in libraries:
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library in libraries:
            library.enable_progress_bar()


@contextmanager
def _hushed() -> Iterator[None]:
    """Drop the lines of `HARMLESS`, and no others, while a pipeline is loaded."""
    with ExitStack() as stack:
        for name, words in HARMLESS.items():
            hush = _Hush(words)
            logger = logging.getLogger(name)
            logger.addFilter(hush)
            stack.callback(logger.removeFilter, hush)
        yield


class _Hush(logging.Filter):
    def __init__(self, words: str) -> None:
        super().__init__()
        self._words = words

    def filter(self, record: logging.LogRecord) -> bool:
        return self._words not in record.getMessage()
