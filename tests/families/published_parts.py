"""The denoisers of the published models at full size, without their numbers."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch

from tests.docs.generator import generator
from tests.families.build import STAND_INS

#: The model that stands for each denoiser, and its family.
MODELS = {
    "sdxl-base": "sdxl",
    "flux-dev": "flux",
    "flux-2-klein-4b": "flux2",
    "flux-2-klein-9b": "flux2",
    "z-image-turbo": "z_image",
    "sd-3.5-large": "sd3",
    "sd-3.5-medium": "sd3",
}


@cache
def denoiser(model: str) -> Any:
    """A model's denoiser on torch's `meta` device."""
    sizes = generator("build_sizes")
    parts = sizes.MODELS[model]
    with torch.device("meta"):
        return sizes.PARTS[parts.get("unet") or parts["transformer"]]()


def stand_in(model: str) -> str:
    """The small pipeline of the same layout, see `tests.families.build`."""
    return STAND_INS[model]
