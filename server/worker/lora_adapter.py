"""A LoRA file in memory, matched to a pipeline: names and shapes first, then numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from server.lora_errors import LoraIncompatible, LoraMissing
from server.lora_tensors import DENOISER, LoraModule, LoraTensors, NetworkType, read
from server.plugins.types import LoraFile, LoraMatch
from server.worker.lora_modules import Modules, Place, once
from server.worker.lora_scales import Scales
from server.worker.lora_terms import (
    Change,
    Dora,
    Hadamard,
    Kronecker,
    LowRank,
    Term,
    has_plain_weight,
)


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA in memory: a term for each module that it changes."""

    match: LoraMatch
    terms: tuple[tuple[nn.Module, Term], ...]


def load(lora: LoraFile, modules: Modules) -> Adapter:
    """Read a LoRA for a pipeline.

    Raises:
        LoraMissing: there is no such file.
        LoraIncompatible: nothing of the denoiser fits, or the file is damaged, or of a kind that
            cannot be applied to these weights.
    """
    try:
        with safe_open(lora.path, "pt") as file:
            shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
            content = read(shapes)
            _check_network(lora, content)
            places = once([modules.find(module) for module in content.modules])
            found = list(zip(content.modules, places, strict=True))
            scales = Scales(lora.path, file.metadata() or {})
            match = _match(lora, content, found, scales)
            terms = tuple(_terms(lora, found, file, scales))
    except FileNotFoundError as error:
        raise LoraMissing(
            f"The file of the LoRA {lora.id} is gone. Put it back, or send the request again "
            "without it."
        ) from error
    except (SafetensorError, OSError) as error:
        raise LoraIncompatible(
            f"The file of the LoRA {lora.id} is damaged ({error}). Download it again."
        ) from error
    return Adapter(match, terms)


def _check_network(lora: LoraFile, content: LoraTensors) -> None:
    network = content.network
    if network is not None and not network.supported and network is not NetworkType.INCOMPLETE:
        raise LoraIncompatible(
            f"The LoRA {lora.id} is of the type {network.value}, which is not supported."
        )


_Found = list[tuple[LoraModule, list[Place]]]


def _match(lora: LoraFile, content: LoraTensors, found: _Found, scales: Scales) -> LoraMatch:
    """
    Raises:
        LoraIncompatible: nothing of the denoiser fits.
    """
    left_out = [module.name for module, places in found if not places] + list(content.strange)
    applied = [module for module, places in found if places]
    parts = {module.part for module in applied}
    total = len(applied) + len(left_out)
    if DENOISER not in parts:
        raise LoraIncompatible(
            f"The LoRA {lora.id} does not fit this model: of its {total} modules {len(applied)} "
            "have the names and shapes of modules of the model, and none of those makes the image. "
            "It was trained for another kind of model."
        )
    return LoraMatch(
        id=lora.id,
        matched=len(applied),
        total=total,
        text_encoder=len(parts) > 1,
        unmatched=tuple(left_out),
        alpha_known=any(scales.knows(module) for module in applied),
    )


def _terms(
    lora: LoraFile, found: _Found, file: Any, scales: Scales
) -> Iterator[tuple[nn.Module, Term]]:
    """
    Raises:
        LoraIncompatible: numbers are missing, or the weights are not such that it can be applied.
    """
    for module, places in found:
        if not places:
            continue
        tensors = {role: _number(file.get_tensor(key)) for role, key in module.keys.items()}
        if not all(tensor.isfinite().all() for tensor in tensors.values()):
            raise LoraIncompatible(
                f"The LoRA {lora.id} has numbers in {module.name} that are none (NaN or infinite), "
                "which would make the image black: the file is damaged."
            )
        scale = scales.of(module, tensors.get("alpha"))
        for place in places:
            change = _change(module, tensors, scale, place)
            if "magnitude" in tensors:
                lengths = _magnitude(module, tensors)
                yield place.module, _dora(lora, module, lengths, change, place)
            else:
                yield place.module, change


def _change(
    module: LoraModule, tensors: Mapping[str, Tensor], scale: float, place: Place
) -> Change:
    if module.change is NetworkType.LOHA:
        factors = {role: tensor for role, tensor in tensors.items() if role.startswith("hada")}
        return Hadamard(scale, place.rows, **factors)
    if module.change is NetworkType.LOKR:
        first, second = _factor(tensors, "1"), _factor(tensors, "2")
        if isinstance(place.module, nn.Conv2d):
            second = second.reshape(second.shape[0], -1, *place.module.kernel_size)
        return Kronecker(first * scale, second, place.rows)
    up = tensors["up"] * scale
    up = up if place.rows is None else place.rows.of(up)
    down = tensors["down"]
    if not isinstance(place.module, nn.Conv2d):
        return LowRank(down.flatten(1), up.flatten(1))
    if down.dim() != 4:
        down = down.reshape(down.shape[0], -1, *place.module.kernel_size)
    return LowRank(down, up.reshape(*up.shape[:2], 1, 1), tensors.get("mid"))


def _dora(
    lora: LoraFile, module: LoraModule, magnitude: Tensor, change: Change, place: Place
) -> Dora:
    """
    Raises:
        LoraIncompatible: the lengths that it sets anew cannot be told here.
    """
    if not has_plain_weight(place.module):
        raise LoraIncompatible(
            f"The LoRA {lora.id} is a DoRA, which needs the model's weights as they are: use the "
            "model without quantization."
        )
    by_rows = magnitude.dim() == 1 or magnitude.shape[0] != 1
    if place.rows is not None and not by_rows:
        raise LoraIncompatible(
            f"The LoRA {lora.id} sets the lengths of {module.name}'s columns, of which this model "
            "has only parts in each module."
        )
    lengths = magnitude if place.rows is None else place.rows.of(magnitude)
    return Dora(change, lengths, place.module)


def _magnitude(module: LoraModule, tensors: Mapping[str, Tensor]) -> Tensor:
    # peft's are always by rows, though those of convolutions look as if they were by columns.
    is_peft = "lora_magnitude_vector" in module.keys["magnitude"]
    return tensors["magnitude"].flatten() if is_peft else tensors["magnitude"]


def _number(tensor: Tensor) -> Tensor:
    """A tensor to reckon with: of a byte's width there are no products."""
    return tensor.float() if tensor.dtype.itemsize == 1 else tensor


def _factor(tensors: Mapping[str, Tensor], number: str) -> Tensor:
    """A factor of a Kronecker product, which may be a product itself."""
    name = f"lokr_w{number}"
    if name in tensors:
        return tensors[name]
    rows, columns = tensors[f"{name}_a"], tensors[f"{name}_b"]
    core = tensors.get(f"lokr_t{number}")
    if core is None:
        return (rows.flatten(1) @ columns.flatten(1)).reshape(rows.shape[0], *columns.shape[1:])
    return torch.einsum("ijkl,ip,jr->prkl", core, rows, columns)
