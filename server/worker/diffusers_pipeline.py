"""What families that run a pipeline of diffusers have in common."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import diffusers
import torch
from PIL.Image import Image
from torch import Tensor

from server.generation import GenerationParams, Task
from server.lora_errors import LoraIncompatible
from server.lora_names import LoraNames
from server.plugins.types import LoraFile, LoraMatch, StepListener
from server.worker import masks, samplers
from server.worker.blending import Blending
from server.worker.given_images import GivenImages
from server.worker.input_image import fit
from server.worker.lora_stack import LoraStack
from server.worker.placed import PlacedPipeline
from server.worker.quiet import hushed


class DiffusersPipeline(ABC):
    """A loaded pipeline of diffusers; a family says with which arguments to call it.

    An image equals that of a plain call of the pipeline with the same arguments, byte for byte.
    """

    #: The class of `diffusers` that begins with an image, made of the same parts; empty: none.
    image_to_image = ""

    #: What that class is made with besides the parts and the pipeline's own configuration.
    image_to_image_options: Mapping[str, Any] = MappingProxyType({})

    #: The names of its modules in LoRA files, as the family announces them; None: it takes none.
    lora_names: LoraNames | None = None

    def __init__(self, pipe: Any) -> None:
        """
        Args:
            pipe: a `diffusers.DiffusionPipeline`, not placed yet. It is changed: its modules are
                frozen, its progress bar is off.
        """
        # Else loading and unloading an adapter moves the image by a last bit.
        for component in pipe.components.values():
            if isinstance(component, torch.nn.Module):
                component.requires_grad_(False)
        pipe.set_progress_bar_config(disable=True)
        self._pipe = pipe
        #: See `server.worker.residents.Movable`.
        self.placed = PlacedPipeline(pipe)
        self._scheduler_config = pipe.scheduler.config
        self._loras = None if self.lora_names is None else LoraStack(pipe, self.lora_names)

    @abstractmethod
    def arguments(self, params: Any) -> dict[str, Any]:
        """The arguments of the pipeline's call for `params` (the family's own class), except the
        initial image, the generator and the step callback."""

    def image_arguments(self, params: Any, images: list[Image]) -> dict[str, Any]:
        """What a call that begins with `images` has besides `arguments`; the images are upright
        and RGB, in the order of `params.image_sources`."""
        width, height = params.width, params.height
        return {"image": fit(images[0], width, height), "strength": params.strength}

    def sampler(self, params: Any) -> str:
        """The name of the sampler to use, one of `samplers`."""
        name: str = params.sampler
        return name

    def latent_image(self, latents: Tensor, _params: Any) -> Tensor:
        """From the loop's latents of one image to (channels, height, width), for previews."""
        return latents[0]

    def pack(self, latents: Tensor) -> Tensor:
        """From latents (1, channels, height, width) to the loop's, for inpainting."""
        return latents

    def clipped_tokens(self, _text: str, _params: Any) -> int:
        """How many tokens of a prompt, or of a negative one, lie beyond what the model reads."""
        return 0

    def generate(self, task: Task[GenerationParams], on_step: StepListener) -> Iterator[Image]:
        """See `Pipeline`. Images are made one by one: in a batch their last bits would differ."""
        for name, text in _texts(task.params).items():
            if clipped := self.clipped_tokens(text, task.params):
                on_step.warn(
                    f"The last {clipped} tokens of the {name} are beyond what the model reads."
                )
        given = GivenImages.of(task)
        if given.mask is not None and masks.is_empty(given.mask):
            on_step.warn("The mask lies where the initial image was cut off; nothing is redrawn.")
        for index in task.indices:
            yield given.finished(self._image(task.params, given, task.seed(index), on_step))

    def apply_loras(self, loras: Sequence[LoraFile], keep_bytes: int) -> list[LoraMatch]:
        """See `TakesLoras`."""
        if self._loras is not None:
            return self._loras.apply(loras, keep_bytes)
        if loras:
            raise LoraIncompatible("This model takes no LoRAs.")
        return []

    def close(self) -> None:
        """See `Pipeline`."""
        if self._loras is not None:
            self._loras.remove()
        self._loras = None
        self.placed.close()
        self._pipe = None

    def _call(self, params: Any, images: list[Image]) -> tuple[Any, dict[str, Any]]:
        """The pipeline to call and its arguments."""
        if not images:
            return self._pipe, self.arguments(params)
        arguments = {**self.arguments(params), **self.image_arguments(params, images)}
        if not self.image_to_image:
            return self._pipe, arguments
        pipe = self._painting_over()
        accepted = inspect.signature(pipe.__call__).parameters
        for name in {"width", "height"} - accepted.keys():  # it makes the image's own size
            del arguments[name]
        return pipe, arguments

    def _painting_over(self) -> Any:
        """The image to image pipeline of the same parts; `from_pipe` would cast them to float32."""
        cls = getattr(diffusers, self.image_to_image)
        parts, config = self._pipe.components, self._pipe.config
        known = inspect.signature(cls).parameters.keys() - parts.keys()
        options = {name: value for name, value in config.items() if name in known}
        pipe = cls(**parts, **options, **self.image_to_image_options)
        pipe.set_progress_bar_config(disable=True)
        return pipe

    def _blending(self, mask: Image, scheduler: Any, params: Any) -> Blending:
        return Blending(mask, self.pack, scheduler, from_noise=params.strength == 1)

    def _image(
        self, params: GenerationParams, given: GivenImages, seed: int, on_step: StepListener
    ) -> Image:
        pipe, arguments = self._call(params, given.images)
        pipe.scheduler, clean_latents = samplers.build(self.sampler(params), self._scheduler_config)
        mask = given.mask
        blending = None if mask is None else self._blending(mask, pipe.scheduler, params)

        def shown() -> Tensor:
            clean = clean_latents()
            return self.latent_image(blending.shown(clean) if blending else clean, params)

        def step_end(pipe: Any, step: int, _timestep: Any, tensors: Any) -> dict[str, Any]:
            # The pipeline's own total: image to image runs fewer steps than were asked for, and
            # solvers of second order more.
            steps = pipe.num_timesteps
            on_step(step + 1, steps, shown)
            if blending is None:
                return {}
            return {"latents": blending.after_step(tensors["latents"], step, steps)}

        # Noise from the CPU's generator is the same on every device, and the same that other tools
        # draw for this seed.
        arguments["generator"] = torch.Generator("cpu").manual_seed(seed)
        try:
            image: Image = pipe(
                **arguments,
                callback_on_step_end=step_end,
                callback_on_step_end_tensor_inputs=[] if blending is None else ["latents"],
            ).images[0]
        except BaseException:
            self.placed.settle()
            raise
        if pipe is not self._pipe:
            self.placed.settle()  # the other one owns no hooks, see `placement`
        return image


def _texts(params: Any) -> dict[str, str]:
    """What the model reads, by the names that people have for it."""
    negative = getattr(params, "negative_prompt", None)
    if not negative or params.cfg_scale <= 1:  # without guidance nobody reads it
        return {"prompt": params.text}
    return {"prompt": params.text, "negative prompt": negative}


def count_clipped(tokenizer: Any, text: str, limit: int) -> int:
    """How many of a text's tokens lie beyond the `limit` that a model reads."""
    with hushed():
        return max(0, len(tokenizer(text).input_ids) - limit)


def pack(latents: Tensor) -> Tensor:
    """From latents (1, channels, height, width) to a batch of one sequence of 2 × 2 patches."""
    _, channels, height, width = latents.shape
    patches = latents[0].reshape(channels, height // 2, 2, width // 2, 2)
    return patches.permute(1, 3, 0, 2, 4).reshape(1, height * width // 4, channels * 4)


def unpack(latents: Tensor, width: int, height: int) -> Tensor:
    """From a batch of one sequence of 2 × 2 patches to (channels, height, width), in latents."""
    patches = latents[0].reshape(height // 2, width // 2, -1, 2, 2)
    return patches.permute(2, 0, 3, 1, 4).reshape(-1, height, width)
