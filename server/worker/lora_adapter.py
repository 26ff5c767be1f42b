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
from server.worker.lora_modules import Modules, Place
from server.worker.lora_scales import Scales
from server.worker.lora_terms import Dora, Hadamard, Kronecker, LowRank, Term, has_plain_weight


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
            found = [(module, modules.find(module)) for module in content.modules]
            match = _match(lora, content, found)
            scales = Scales(file.metadata() or {})
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


_Found = list[tuple[LoraModule, list[Place] | None]]


def _match(lora: LoraFile, content: LoraTensors, found: _Found) -> LoraMatch:
    """
    Raises:
        LoraIncompatible: nothing of the denoiser fits.
    """
    counted = [(module, places) for module, places in found if places != []]
    unmatched = [module.name for module, places in counted if places is None]
    unmatched += content.strange
    parts = {module.part for module, places in counted if places is not None}
    total = len(counted) + len(content.strange)
    if DENOISER not in parts:
        raise LoraIncompatible(
            f"The LoRA {lora.id} does not fit this model: of its {total} modules "
            f"{total - len(unmatched)} have the names and shapes of modules of the model, and none "
            "of those makes the image. It was trained for another kind of model."
        )
    return LoraMatch(
        id=lora.id,
        matched=total - len(unmatched),
        total=total,
        text_encoder=len(parts) > 1,
        unmatched=tuple(unmatched),
    )


def _terms(
    lora: LoraFile, found: _Found, file: Any, scales: Scales
) -> Iterator[tuple[nn.Module, Term]]:
    for module, places in found:
        if not places:
            continue
        tensors = {role: file.get_tensor(key) for role, key in module.keys.items()}
        scale = scales.of(module, tensors.get("alpha"))
        for place in places:
            term = _term(module, tensors, scale, place)
            if "magnitude" in tensors:
                term = _dora(lora, module, _magnitude(module, tensors), term, place)
            yield place.module, term


def _term(module: LoraModule, tensors: Mapping[str, Tensor], scale: float, place: Place) -> Term:
    if module.network is NetworkType.LOHA:
        factors = {role: tensor for role, tensor in tensors.items() if role.startswith("hada")}
        return Hadamard(scale, place.rows, **factors)
    if module.network is NetworkType.LOKR:
        first, second = _factor(tensors, "1"), _factor(tensors, "2")
        if isinstance(place.module, nn.Conv2d):
            second = second.reshape(second.shape[0], -1, *place.module.kernel_size)
        return Kronecker(first * scale, second, place.rows)
    up = tensors["up"] * scale
    up = up if place.rows is None else place.rows.of(up)
    down = tensors["down"]
    if not isinstance(place.module, nn.Conv2d):
        return LowRank(down.flatten(1), up.flatten(1))
    square = (1, 1)
    return LowRank(
        down if down.dim() == 4 else down.reshape(*down.shape, *square),
        up.reshape(*up.shape[:2], *square),
        tensors.get("mid"),
    )


def _dora(lora: LoraFile, module: LoraModule, magnitude: Tensor, term: Term, place: Place) -> Term:
    """
    Raises:
        LoraIncompatible: the lengths that it sets anew cannot be told here.
    """
    if not has_plain_weight(place.module):
        raise LoraIncompatible(
            f"The LoRA {lora.id} is a DoRA, which needs the model's weights as they are: use the "
            "model without quantization, and without the offload modes `group` and `sequential`."
        )
    by_rows = magnitude.dim() == 1 or magnitude.shape[0] != 1
    if place.rows is not None and not by_rows:
        raise LoraIncompatible(
            f"The LoRA {lora.id} sets the lengths of {module.name}'s columns, of which this model "
            "has only parts in each module."
        )
    return Dora(term, magnitude if place.rows is None else place.rows.of(magnitude), place.module)


def _magnitude(module: LoraModule, tensors: Mapping[str, Tensor]) -> Tensor:
    # peft's are always by rows, though those of convolutions look as if they were by columns.
    is_peft = "lora_magnitude_vector" in module.keys["magnitude"]
    return tensors["magnitude"].flatten() if is_peft else tensors["magnitude"]


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
