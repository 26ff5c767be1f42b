"""Pipelines with random weights of any size, written in the published layout, offline.

Tokenizers, schedulers and the geometry of latents are those of the small pipelines that the tests
use; a table says what is larger.
"""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from _measuring import ROOT
from safetensors import safe_open
from transformers.utils import logging

from tests.families.build import MODULES

assert ROOT  # imported first, because it makes `tests` importable

#: By the name of a component, words of its configuration.
Sizes = Mapping[str, Mapping[str, Any]]

#: SDXL at a tenth of its parameters: 1 GB in float32, in files as many as the real one's.
MIDDLING: Sizes = {
    "unet": {
        "block_out_channels": (128, 256, 512),
        "transformer_layers_per_block": (1, 2, 6),
        "attention_head_dim": (2, 4, 8),
        "norm_num_groups": 32,
    },
}


def save(
    name: str, sizes: Sizes, folder: Path, *, seed: int, device: str = "cpu", dtype: str = "float32"
) -> Path:
    """Write the pipeline that `tests.families.build` calls `name` with other sizes; its folder."""
    logging.disable_progress_bar()
    pipe = import_module(f"tests.families.tiny.{MODULES[name]}").pipeline(name)
    generator = torch.Generator(device).manual_seed(seed)
    for part, words in sizes.items():
        grown = _grown(getattr(pipe, part), words, device, getattr(torch, dtype))
        _draw(grown, generator)
        pipe.register_modules(**{part: grown})
    pipe.save_pretrained(folder)
    del pipe
    if device.startswith("cuda"):  # for the processes to come
        torch.cuda.empty_cache()
    return folder


def parameters(folder: Path) -> int:
    """How many numbers a pipeline's files hold."""
    return sum(map(_numbers, folder.rglob("*.safetensors")))


def _numbers(file: Path) -> int:
    with safe_open(file, "pt") as tensors:
        names = tensors.keys()
        return sum(math.prod(tensors.get_slice(name).get_shape()) for name in names)


def _grown(part: Any, words: Mapping[str, Any], device: str, dtype: torch.dtype) -> Any:
    """A module of the same class with other words in its configuration."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device), warnings.catch_warnings():
            # The model of diffusers 0.42 uses a part that the same release deprecates.
            warnings.filterwarnings("ignore", "`FluxPosEmbed` is deprecated", FutureWarning)
            return _made(part, words).to(dtype).eval()
    finally:
        torch.set_default_dtype(before)


def _made(part: Any, words: Mapping[str, Any]) -> Any:
    if hasattr(part, "from_config"):  # of diffusers
        known = inspect.signature(type(part)).parameters
        config = {name: value for name, value in part.config.items() if name in known}
        return type(part)(**{**config, **words})
    config = type(part.config)(**{**part.config.to_dict(), **words})  # of transformers
    return type(part)(config)


def _draw(module: torch.nn.Module, generator: torch.Generator) -> None:
    """Matrices that keep the size of their input; all else stays as the class begins."""
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim > 1:
                spread = parameter[0].numel() ** -0.5
                parameter.normal_(0, spread, generator=generator)
