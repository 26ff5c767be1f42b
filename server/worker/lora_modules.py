"""Where the modules of a LoRA file belong in a loaded pipeline, by their names and shapes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from server.lora_names import LoraNames, Target
from server.lora_tensors import DENOISER, LoraModule
from server.worker.lora_terms import Rows

#: What stands before the names of modules of text encoders in some files or versions of libraries.
_WRAPPERS = ("text_model_", "model_", "transformer_")

#: The roles that have a convolution's kernel, the first that is there.
_KERNELS = ("mid", "down", "hada_t1", "lokr_t2", "lokr_w2", "lokr_w2_b")


@dataclass(frozen=True, slots=True)
class Place:
    """A module of the pipeline, and which rows of a change are its."""

    module: Any
    rows: Rows | None


class Modules:
    """The modules of a pipeline that LoRAs can change, by all their names."""

    def __init__(self, pipe: Any, names: LoraNames) -> None:
        """
        Args:
            pipe: a `diffusers.DiffusionPipeline`.
            names: its family's.
        """
        self._names = names
        denoiser = getattr(pipe, "unet", None) or getattr(pipe, "transformer", None)
        self._denoiser = _by_name(denoiser)
        self._encoders = {
            part: _by_bare_name(getattr(pipe, component, None))
            for part, component in names.text_encoders.items()
        }

    def find(self, module: LoraModule) -> list[Place] | None:
        """Where a file's module belongs: in one place, or parts of it in several; None: it does not
        fit here."""
        if module.part != DENOISER:
            return self._in_encoder(module)
        name = _plain(module.name)
        if name in self._denoiser:
            return _whole(self._denoiser[name], module)
        target = self._names.resolve(module.name)
        return None if target is None else self._among(target, module)

    def _in_encoder(self, module: LoraModule) -> list[Place] | None:
        found = self._encoders.get(module.part, {}).get(_bare(module.name))
        return None if found is None else _whole(found, module)

    def _among(self, target: Target, module: LoraModule) -> list[Place] | None:
        found = [self._denoiser.get(_plain(name)) for name in target.modules]
        if module.size is None:
            return None
        places, begin, swaps = [], 0, target.swaps(module.size)
        for one in found:
            if one is None:
                return None
            rows, _ = _size(one)
            places.append(Place(one, Rows(begin, begin + rows, swaps)))
            begin += rows
        inputs = {_size(place.module)[1] for place in places}
        if {module.size} != {(begin, columns) for columns in inputs}:
            return None
        if len(places) == 1 and not swaps:
            return _whole(places[0].module, module)
        return places


def once(found: Sequence[list[Place] | None]) -> list[list[Place]]:
    """The places of a file's modules, where each module of the pipeline is one's alone: some files
    name one in two ways, in parts and fused with others. The parts count."""
    taken: set[int] = set()
    left: list[list[Place]] = [[] for _ in found]
    for number in sorted(range(len(found)), key=lambda number: len(found[number] or ())):
        places = found[number] or []
        left[number] = [place for place in places if id(place.module) not in taken]
        taken |= {id(place.module) for place in places}
    return left


def _whole(one: nn.Module, module: LoraModule) -> list[Place] | None:
    return [Place(one, None)] if _fits(one, module) else None


def _fits(one: nn.Module, module: LoraModule) -> bool:
    """Whether a change has the shape of a module's weights."""
    if module.size is None:
        return False
    rows, columns = _size(one)
    if not isinstance(one, nn.Conv2d):
        return module.size == (rows, columns)
    if one.groups != 1 or one.padding_mode != "zeros":
        return False
    kernels = [module.shapes.get(role, ()) for role in _KERNELS]
    kernel = next((shape[2:] for shape in kernels if len(shape) == 4), None)
    if kernel is None:  # its elements stand in one row with the inputs
        return module.size == (rows, columns * math.prod(one.kernel_size))
    return module.size == (rows, columns) and kernel == one.kernel_size


def _size(one: Any) -> tuple[int, int]:
    """Outputs and inputs."""
    if isinstance(one, nn.Conv2d):
        return one.out_channels, one.in_channels
    return one.out_features, one.in_features


def _by_name(component: nn.Module | None) -> dict[str, nn.Module]:
    found = component.named_modules() if component is not None else ()
    return {
        _plain(name): module for name, module in found if isinstance(module, nn.Linear | nn.Conv2d)
    }


def _by_bare_name(component: nn.Module | None) -> dict[str, nn.Module]:
    return {_bare(name): module for name, module in _by_name(component).items()}


def _plain(name: str) -> str:
    """A name as kohya writes it."""
    return name.replace(".", "_")


def _bare(name: str) -> str:
    """The same, without what wraps an encoder's own modules."""
    name = _plain(name)
    for wrapper in _WRAPPERS:
        name = name.removeprefix(wrapper)
    return name
