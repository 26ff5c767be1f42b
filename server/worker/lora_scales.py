"""The factor of a LoRA's changes: alpha / r, from wherever a file says it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from server.lora_tensors import DENOISER, LoraModule

#: Where peft's own settings stand in the metadata, as JSON.
_PEFT = "lora_adapter_metadata"


class Scales:
    """The factors of a file: alpha stands beside each module's tensors, or in the metadata that
    peft writes; where it stands nowhere, the factor is 1."""

    def __init__(self, metadata: Mapping[str, str]) -> None:
        """`metadata`: the file's texts."""
        try:
            told = json.loads(metadata.get(_PEFT, "{}"))
        except ValueError:
            told = {}
        self._told: dict[str, Any] = told if isinstance(told, dict) else {}

    def of(self, module: LoraModule, alpha: Tensor | None) -> float:
        """The factor for a module that has this tensor for its alpha."""
        rank = module.rank
        if rank is None:  # whole factors have no rank to divide by
            return 1.0
        if alpha is not None:
            return float(alpha) / rank
        part = next(
            (key for key in _prefixes(module.part) if f"{key}lora_alpha" in self._told), None
        )
        if part is None:
            return 1.0
        number = _by_pattern(self._told.get(f"{part}alpha_pattern"), module.name)
        value = float(number if number is not None else self._told[f"{part}lora_alpha"])
        return value / (math.sqrt(rank) if self._told.get(f"{part}use_rslora") else rank)


def _prefixes(part: str) -> tuple[str, ...]:
    """What stands before peft's words on a part."""
    if part == DENOISER:
        return ("transformer.", "unet.", "")
    return ("text_encoder." if part == "te1" else f"text_encoder_{part[-1]}.",)


def _by_pattern(pattern: Any, name: str) -> Any:
    """peft's value for the modules whose names end so."""
    if not isinstance(pattern, dict):
        return None
    own = name.replace(".", "_")
    ends = {end.replace(".", "_"): value for end, value in pattern.items()}
    return next((value for end, value in ends.items() if f"_{own}".endswith(f"_{end}")), None)
