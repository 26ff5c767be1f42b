"""The factor of a LoRA's changes: alpha / r, from wherever a file says it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from server.lora_tensors import DENOISER, LoraModule

#: Where diffusers puts peft's settings among the file's texts, as JSON.
_METADATA = "lora_adapter_metadata"

#: The names that peft itself has for a file and for the settings beside it.
_FILE, _SETTINGS = "adapter_model.safetensors", "adapter_config.json"

#: How the keys of such a file begin.
_PREFIX = "base_model."

#: Bytes of settings that are read.
_LONGEST = 1_000_000


class Scales:
    """The factors of a file: alpha stands beside each module's tensors, in the file's metadata, or,
    of files by peft alone, in the settings beside the file. Where it stands nowhere, the factor
    is 1."""

    def __init__(self, path: Path, metadata: Mapping[str, str]) -> None:
        """
        Args:
            path: the file.
            metadata: its texts.
        """
        self._told = _object(metadata.get(_METADATA, "")) or _settings_beside(path)

    def of(self, module: LoraModule, alpha: Tensor | None) -> float:
        """The factor for a module that has this tensor for its alpha."""
        rank = module.rank
        if rank is None:  # whole factors have no rank to divide by
            return 1.0
        if alpha is not None:
            return float(alpha) / rank
        part = self._part(module)
        told = None if part is None else self._alpha(part, module.name)
        if told is None:
            return 1.0
        return told / (math.sqrt(rank) if self._told.get(f"{part}use_rslora") else rank)

    def knows(self, module: LoraModule) -> bool:
        """Whether a module's factor stands anywhere, or may be taken as 1: others than peft write
        alpha where it is another number than r."""
        is_peft = any(key.startswith(_PREFIX) for key in module.keys.values())
        told = module.rank is None or "alpha" in module.keys or self._part(module) is not None
        return told or not is_peft

    def _part(self, module: LoraModule) -> str | None:
        """What stands before peft's words on the part that a module is of."""
        prefixes = _prefixes(module.part)
        return next((key for key in prefixes if f"{key}lora_alpha" in self._told), None)

    def _alpha(self, part: str, name: str) -> float | None:
        pattern = self._told.get(f"{part}alpha_pattern")
        own = _by_pattern(pattern, name) if isinstance(pattern, dict) else None
        value = self._told[f"{part}lora_alpha"] if own is None else own
        return float(value) if isinstance(value, int | float) else None


def _prefixes(part: str) -> tuple[str, ...]:
    if part == DENOISER:
        return ("transformer.", "unet.", "")
    return ("text_encoder." if part == "te1" else f"text_encoder_{part[-1]}.",)


def _by_pattern(pattern: Mapping[str, Any], name: str) -> Any:
    """peft's value for the modules whose names end so, at a dot."""
    return next((value for end, value in pattern.items() if f".{name}".endswith(f".{end}")), None)


def _settings_beside(path: Path) -> dict[str, Any]:
    if path.name != _FILE:
        return {}
    try:
        with path.with_name(_SETTINGS).open("rb") as file:
            return _object(file.read(_LONGEST))
    except OSError:  # most often there are none
        return {}


def _object(text: str | bytes) -> dict[str, Any]:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}
