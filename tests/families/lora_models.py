"""Loaded models of the families that take LoRAs, and what they make with some."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from server.plugins.types import LoadContext, LoraFile, ModelCard

#: The small pipelines of the families that take LoRAs, and the family's module.
FAMILIES = {
    "sdxl-base": "sdxl",
    "flux-dev": "flux",
    "flux-schnell": "flux",
    "z-image-turbo": "z_image",
    "flux-2-klein": "flux2",
    "sd-3.5": "sd3",
}


def load(name: str, folder: Path) -> Any:
    """The family's own loaded model, of a small pipeline's folder."""
    module = import_module(f"model_plugins.{FAMILIES[name]}.pipeline")
    return module.load(ModelCard(name, name, "x"), LoadContext(folder, "cpu", "float32"))


def latents(pipe: Any) -> Tensor:
    """What a pipeline makes in two steps, before it is decoded."""
    found: Tensor = pipe(
        prompt="a red cat",
        width=64,
        height=64,
        num_inference_steps=2,
        generator=torch.Generator().manual_seed(5),
        output_type="latent",
    ).images
    return found.double()


def with_loras(model: Any, *loras: tuple[Path, float], keep_bytes: int = 0) -> Tensor:
    """What our model makes with LoRAs; afterwards it has none."""
    files = [LoraFile(path.stem, path, weight) for path, weight in loras]
    model.apply_loras(files, keep_bytes)
    try:
        return latents(model._pipe)
    finally:
        model.apply_loras((), keep_bytes)
