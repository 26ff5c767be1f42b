"""Pictures of the exported model, made as the server makes them."""

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from diffusers import StableDiffusionXLImg2ImgPipeline
from numpy.typing import NDArray
from PIL import Image

from .drawing import NATIVE

Picture: TypeAlias = NDArray[np.uint8]


class Sampling(NamedTuple):
    """How to paint: number of steps and guidance scale."""

    steps: int = 20
    cfg: float = 3.0


class Painter:
    """Paints pictures [128, 128, 3]."""

    def __init__(self, pipeline: Any, sampling: Sampling) -> None:
        self.sampling = sampling
        self._from_text = pipeline
        self._from_picture = StableDiffusionXLImg2ImgPipeline(
            **pipeline.components, force_zeros_for_empty_prompt=False, add_watermarker=False
        )
        self._from_picture.set_progress_bar_config(disable=True)

    def paint(self, prompt: str, seed: int, negative: str = "") -> Picture:
        """A picture from nothing but words."""
        size = {"width": NATIVE, "height": NATIVE}
        return self._run(self._from_text, prompt, seed, negative_prompt=negative, **size)

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
