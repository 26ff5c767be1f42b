"""Random weights that make a small model behave: unit signals, equal on every machine."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeVar
from zlib import crc32

import numpy as np
import torch
from torch import Tensor, nn

Module = TypeVar("Module", bound=nn.Module)

#: How large biases are beside the unit signal that weights keep.
BIAS = 0.1
#: Gains of normed queries and keys: attention picks tokens instead of averaging them away.
SHARP = {"norm_q": 3.0, "norm_k": 3.0, "norm_added": 3.0, "q_norm": 3.0, "k_norm": 3.0}


def normal(name: str, shape: tuple[int, ...]) -> Tensor:
    """Standard normal numbers that depend on `name` and `shape` alone.

    From numpy, because torch's vectorised normal differs in the last bits between processors.
    """
    generator = np.random.default_rng(crc32(name.encode()))
    return torch.as_tensor(generator.standard_normal(shape, dtype=np.float32))


def draw(module: Module, name: str, gains: Mapping[str, float] | None = None) -> Module:
    """Fill the parameters of `module` from the seed `name`; in evaluation mode.

    Args:
        gains: by a part of a parameter's name: how many times larger than usual it is.
    """
    tables = {id(part.weight) for part in module.modules() if isinstance(part, nn.Embedding)}
    with torch.no_grad():
        for key, parameter in module.named_parameters():
            values = _values(f"{name}/{key}", parameter, table=id(parameter) in tables)
            parameter.copy_(values * _gain(key, gains or {}))
    return module.eval()


def _values(name: str, parameter: nn.Parameter, *, table: bool) -> Tensor:
    """A matrix keeps the variance of its input; a norm starts as the identity."""
    shape = tuple(parameter.shape)
    if len(shape) > 1:
        fan_in = 1 if table else parameter[0].numel()
        return normal(name, shape) / math.sqrt(fan_in)
    return torch.ones(shape) if name.endswith("weight") else normal(name, shape) * BIAS


def _gain(key: str, gains: Mapping[str, float]) -> float:
    return next((gain for part, gain in gains.items() if part in key), 1.0)
