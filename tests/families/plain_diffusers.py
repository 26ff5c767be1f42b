"""The reference: diffusers called as its documentation says. It imports nothing of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import torch
from PIL.Image import Image


def load(folder: Path) -> Any:
    """The embedded model's pipeline."""
    pipe = diffusers.StableDiffusionXLPipeline.from_pretrained(
        folder, dtype=torch.float32, add_watermarker=False
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def scheduler(name: str, config: Any) -> Any:
    """The scheduler that people mean by a sampler's name."""
    match name:
        case "euler":
            return diffusers.EulerDiscreteScheduler.from_config(config)
        case "euler_a":
            return diffusers.EulerAncestralDiscreteScheduler.from_config(config)
        case "dpm++_2m":
            return diffusers.DPMSolverMultistepScheduler.from_config(config)
        case "ddim":
            return diffusers.DDIMScheduler.from_config(config, clip_sample=False)
        case _:
            raise ValueError(name)


def image(pipe: Any, sampler: str, seed: int, **arguments: Any) -> Image:
    """One image."""
    config = pipe.scheduler.config
    pipe.scheduler = scheduler(sampler, config)
    try:
        made: Image = pipe(**arguments, generator=torch.Generator().manual_seed(seed)).images[0]
    finally:
        pipe.scheduler = diffusers.EulerDiscreteScheduler.from_config(config)
    return made
