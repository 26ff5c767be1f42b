"""The reference for LoRAs: their changes merged into the weights by hand; nothing of ours in it.

ΔW is built as the papers write it, as a whole matrix in double precision, and added to the weights
of a pipeline of plain diffusers.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

#: What stands between a key's module and its role, by the layouts of the tests' files.
PREFIXES = ("transformer.", "unet.", "diffusion_model.", "lora_unet_")
ENCODERS = {
    **{"text_encoder_2.": "text_encoder_2", "lora_te2_": "text_encoder_2"},
    **{"text_encoder.": "text_encoder", "lora_te1_": "text_encoder"},
}

Roles = dict[str, Tensor]


def merge(
    pipe: Any,
    path: Path,
    weight: float,
    fused: Mapping[str, tuple[str, ...]] | None = None,
) -> None:
    """Change the weights of a pipeline as a LoRA says.

    Args:
        pipe: a `diffusers.DiffusionPipeline` of plain weights.
        path: the LoRA, in a layout whose names are the pipeline's own, with dots or with `_`.
        weight: how strongly.
        fused: the modules of the pipeline whose rows one module of the file holds, by its name.
    """
    changes = grouped(path)
    parts = {
        component: named(getattr(pipe, component) if component else denoiser(pipe))
        for component in {component for component, _ in changes}
    }
    for (component, name), roles in changes.items():
        modules = parts[component]
        names = (fused or {}).get(name, (name.replace(".", "_"),))
        targets = [modules[target.replace(".", "_")] for target in names]
        whole = torch.cat([target.weight.double() for target in targets])
        change = delta(roles, whole)
        begin = 0
        for target in targets:
            rows = target.weight.shape[0]
            with torch.no_grad():
                target.weight += (weight * change[begin : begin + rows]).to(target.weight.dtype)
            begin += rows


def denoiser(pipe: Any) -> nn.Module:
    found = getattr(pipe, "unet", None)
    return found if found is not None else pipe.transformer


def named(model: nn.Module) -> dict[str, Any]:
    """Modules by name, with `_` for dots; text encoders' also without `text_model`."""
    found = {name.replace(".", "_"): module for name, module in model.named_modules()}
    return {**found, **{key.removeprefix("text_model_"): value for key, value in found.items()}}


def grouped(path: Path) -> dict[tuple[str, str], Roles]:
    """The tensors of a file by role, by component (empty: the denoiser) and module."""
    found: dict[tuple[str, str], Roles] = {}
    for key, tensor in load_file(path).items():
        component = next((name for prefix, name in ENCODERS.items() if key.startswith(prefix)), "")
        prefixes = ENCODERS if component else PREFIXES
        prefix = next(prefix for prefix in prefixes if key.startswith(prefix))
        stem, role = split(key.removeprefix(prefix))
        found.setdefault((component, stem.removeprefix("text_model_")), {})[role] = tensor.double()
    return found


def split(key: str) -> tuple[str, str]:
    """The module and the role."""
    for ending in (".lora_A.weight", ".lora_down.weight"):
        if key.endswith(ending):
            return key.removesuffix(ending), "A"
    for ending in (".lora_B.weight", ".lora_up.weight"):
        if key.endswith(ending):
            return key.removesuffix(ending), "B"
    for ending in (".dora_scale", ".lora_magnitude_vector"):
        if key.endswith(ending):
            return key.removesuffix(ending), "m"
    stem, _, role = key.removesuffix(".weight").rpartition(".")
    return stem, role


def delta(roles: Roles, weight: Tensor) -> Tensor:
    """ΔW at weight 1, in the shape of W."""
    if "hada_w1_a" in roles:
        return hadamard(roles, weight)
    if "lokr_w1" in roles:
        return kronecker(roles, weight)
    down, up = roles["A"], roles["B"]
    rank = down.shape[0]
    scale = float(roles["alpha"]) / rank if "alpha" in roles else 1.0
    if "lora_mid" in roles:
        product = torch.einsum(
            "om,mnkl,ni->oikl", up[:, :, 0, 0], roles["lora_mid"], down[:, :, 0, 0]
        )
    else:
        product = (up.reshape(up.shape[0], rank) @ down.reshape(rank, -1)).reshape(weight.shape)
    change = scale * product
    return dora(roles["m"], weight, change) if "m" in roles else change


def dora(lengths: Tensor, weight: Tensor, change: Tensor) -> Tensor:
    """m · (W + ΔW) / ‖W + ΔW‖ − W, with the norms of rows, or of columns where m lies so."""
    summed = weight + change
    columns = lengths.dim() > 1 and lengths.shape[0] == 1 and lengths.shape[1] == weight.shape[1]
    others = [axis for axis in range(weight.dim()) if axis != (1 if columns else 0)]
    norm = summed.square().sum(dim=others, keepdim=True).sqrt()
    return lengths.reshape(norm.shape) * summed / norm - weight


def hadamard(roles: Roles, weight: Tensor) -> Tensor:
    factors = []
    for number in "12":
        first, second = roles[f"hada_w{number}_a"], roles[f"hada_w{number}_b"]
        core = roles.get(f"hada_t{number}")
        if core is None:
            factors.append((first @ second).reshape(weight.shape))
        else:
            factors.append(torch.einsum("xykl,xo,yi->oikl", core, first, second))
    rank = roles["hada_w1_b"].shape[0]
    scale = float(roles["alpha"]) / rank if "alpha" in roles else 1.0
    return scale * factors[0] * factors[1]


def kronecker(roles: Roles, weight: Tensor) -> Tensor:
    first, rank = roles["lokr_w1"], None
    if "lokr_w2" in roles:
        second = roles["lokr_w2"]
    else:
        left, right = roles["lokr_w2_a"], roles["lokr_w2_b"]
        rank, core = right.shape[0], roles.get("lokr_t2")
        if core is None:
            second = left @ right
        else:
            second = torch.einsum("xykl,xc,yd->cdkl", core, left, right)
    scale = float(roles["alpha"]) / rank if "alpha" in roles and rank else 1.0
    kernel = weight.shape[2:]
    columns = weight.shape[1] // first.shape[1]
    second = second.reshape(second.shape[0], columns, *kernel)
    blocks = torch.einsum("ab,cd...->acbd...", first, second)
    return scale * blocks.reshape(weight.shape)
