"""Pictures of the exported model, made as the server makes them."""

from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers import StableDiffusionXLImg2ImgPipeline
from PIL import Image

from .drawing import NATIVE, Picture


class Sampling(NamedTuple):
    """How to paint: number of steps and guidance scale."""

    steps: int = 20
    cfg: float = 3.0


DEFAULT = Sampling()


class Painter:
    """Paints pictures [height, width, 3], of 128 x 128 pixels where no other size is asked for."""

    def __init__(self, pipeline: Any, sampling: Sampling = DEFAULT) -> None:
        self.pipeline, self.sampling = pipeline, sampling
        self._from_picture = StableDiffusionXLImg2ImgPipeline(
            **pipeline.components, force_zeros_for_empty_prompt=False, add_watermarker=False
        )
        self._from_picture.set_progress_bar_config(disable=True)

    def paint(
        self, prompt: str, seed: int, negative: str = "", size: tuple[int, int] = (NATIVE, NATIVE)
    ) -> Picture:
        """A picture from nothing but words; ``size`` is its width and height."""
        frame = {"width": size[0], "height": size[1]}
        return self._run(self.pipeline, prompt, seed, negative_prompt=negative, **frame)

    def repaint(self, picture: Picture, strength: float, prompt: str, seed: int) -> Picture:
        """A picture from words and another picture, of which more is lost at more strength."""
        begin = {"image": Image.fromarray(picture), "strength": strength}
        return self._run(self._from_picture, prompt, seed, negative_prompt="", **begin)

    def _run(self, pipeline: Any, prompt: str, seed: int, **options: Any) -> Picture:
        picture = pipeline(
            prompt,
            num_inference_steps=self.sampling.steps,
            guidance_scale=self.sampling.cfg,
            generator=torch.Generator().manual_seed(seed),
            **options,
        ).images[0]
        return np.asarray(picture)
