"""The LoRAs of one loaded pipeline: those that act now, and those that stay in memory for later."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence, Set
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from server.lora_errors import LoraMissing
from server.lora_names import LoraNames
from server.plugins.types import LoraFile, LoraMatch
from server.worker.lora_adapter import Adapter, load
from server.worker.lora_modules import Modules
from server.worker.lora_terms import Term

#: A file, and what would be another one in its place: bytes and time of change.
_State = tuple[Path, int, int]

_Weighted = list[tuple[Term, float]]


class LoraStack:
    """Applies LoRAs by hooks on the modules, so that the weights never change."""

    def __init__(self, pipe: Any, names: LoraNames) -> None:
        """
        Args:
            pipe: a `diffusers.DiffusionPipeline`.
            names: its family's.
        """
        self._modules = Modules(pipe, names)
        self._adapters: OrderedDict[_State, Adapter] = OrderedDict()
        self._hooks: list[RemovableHandle] = []

    def apply(self, loras: Sequence[LoraFile], keep_bytes: int) -> list[LoraMatch]:
        """See `TakesLoras.apply_loras`."""
        self._remove_hooks()
        used = [(lora, self._adapter(lora)) for lora in loras]
        self._add_hooks((adapter, lora.weight) for lora, adapter in used)
        self._forget(keep_bytes, {_state(lora) for lora in loras})
        # The file may have got another id since it was read.
        return [replace(adapter.match, id=lora.id) for lora, adapter in used]

    def remove(self) -> None:
        """Leave no trace on modules that other models have too."""
        self._remove_hooks()
        self._adapters.clear()

    def _adapter(self, lora: LoraFile) -> Adapter:
        state = _state(lora)
        adapter = self._adapters.pop(state, None) or load(lora, self._modules)
        self._adapters[state] = adapter  # the newest last
        return adapter

    def _add_hooks(self, used: Iterable[tuple[Adapter, float]]) -> None:
        terms: dict[nn.Module, _Weighted] = {}
        for adapter, weight in used:
            for module, term in adapter.terms if weight else ():
                terms.setdefault(module, []).append((term, weight))
        self._hooks = [
            module.register_forward_hook(partial(_hook, weighted))
            for module, weighted in terms.items()
        ]

    def _remove_hooks(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def _forget(self, keep_bytes: int, in_use: Set[_State]) -> None:
        """Drop what was not used for longest, until the rest is small enough."""
        total = sum(size for _, size, _ in self._adapters)
        for state in list(self._adapters):
            if total > keep_bytes and state not in in_use:
                total -= state[1]
                del self._adapters[state]


def _hook(weighted: _Weighted, module: nn.Module, inputs: tuple[Tensor, ...], y: Tensor) -> Tensor:
    x = inputs[0]
    if x.device != y.device:  # an offloaded module brings its input there itself
        x = x.to(y.device)
    total = y
    for term, weight in weighted:
        total = torch.add(total, term.change(x, y, module), alpha=weight)
    return total


def _state(lora: LoraFile) -> _State:
    try:
        found = lora.path.stat()
    except OSError as error:
        raise LoraMissing(
            f"The file of the LoRA {lora.id} cannot be read ({error.strerror}). Put it back, or "
            "send the request again without it."
        ) from error
    return lora.path, found.st_size, found.st_mtime_ns
