"""Writes real LoRA files, in every layout and network type, with numbers from a seed.

    write(path, {"blocks.0.attn.to_q": (32, 32)}, layout="kohya", network="lora", rank=4, alpha=2)

A *layout* is how keys are put together: what stands before a module's name, whether its dots stay,
and what the tensors are called. The names themselves are the caller's: the loaded model's own
(`modules_of`), or those that its authors gave them (`original_modules`). Nothing here knows how the
server reads files.

Layouts:
    peft: `transformer.NAME.lora_A.weight` (`unet.` for UNets), as diffusers writes them.
    peft_named: the same, with the adapter's name before `weight`.
    peft_bare: `base_model.model.NAME.lora_A.weight`, as peft alone writes them.
    diffusion_model: `diffusion_model.NAME.lora_A.weight`, as ComfyUI and ai-toolkit write them.
    bare: `NAME.lora_A.weight`.
    kohya: `lora_unet_NAME.lora_down.weight` with `_` for dots; text encoders `lora_te1_…`.
    onetrainer: `lora_transformer_NAME.lora_down.weight`, else as kohya.
    lycoris: `lycoris_NAME.lora_down.weight`, likewise with `_`.
    old: `unet.NAME.lora.down.weight`, as diffusers wrote them before peft.

Network types (weights W of shape (out, in) or (out, in, kh, kw), rank r):
    lora: `down` (r, in[, kh, kw]) and `up` (out, r[, 1, 1]); for convolutions that is a LoCon.
    tucker: for convolutions of kernels over 1 × 1 also `mid` (r, r, kh, kw); else as lora.
    dora: as lora, and lengths: (out, 1[, 1, 1]), in peft's layouts (out,) or (1, out, 1, 1).
    dora_columns: as dora, with the lengths of columns (1, in[, 1, 1]).
    loha: `hada_w1_a` (out, r), `hada_w1_b` (r, in · kh · kw), and the same with `w2`.
    loha_tucker: for convolutions with `hada_t1`, `hada_t2` (r, r, kh, kw); `a` is (r, out).
    lokr: `lokr_w1` (a, b), and `lokr_w2` as a product of rank r, where a·c = out, b·d = in.
    lokr_full: `lokr_w1` and `lokr_w2` whole.
    lokr_tucker: as lokr, for convolutions with `lokr_t2` (r, r, kh, kw).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

Shape = tuple[int, ...]

Shapes = Mapping[str, Shape]

Roles = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class _Layout:
    """How keys are put together. `encoder` has a place for the encoder's number."""

    denoiser: str
    encoder: str
    words: Mapping[str, str]
    dots: bool = True


#: In no layout is there another word for it.
_MID = {"mid": "lora_mid.weight"}

_PEFT = {
    **_MID,
    "down": "lora_A.weight",
    "up": "lora_B.weight",
    "magnitude": "lora_magnitude_vector",
}
_NAMED = {
    **_MID,
    "down": "lora_A.style.weight",
    "up": "lora_B.style.weight",
    "magnitude": "lora_magnitude_vector.style",
}
_KOHYA = {
    **_MID,
    "down": "lora_down.weight",
    "up": "lora_up.weight",
    "magnitude": "dora_scale",
}
_OLD = {
    **_MID,
    "down": "lora.down.weight",
    "up": "lora.up.weight",
    "magnitude": "dora_scale",
}

_LAYOUTS = {
    "peft": _Layout("{root}.", "text_encoder{_n}.", _PEFT),
    "peft_named": _Layout("{root}.", "text_encoder{_n}.", _NAMED),
    "peft_bare": _Layout("base_model.model.", "base_model.model.text_encoder{_n}.", _PEFT),
    "diffusion_model": _Layout("diffusion_model.", "text_encoders.{clip}.transformer.", _PEFT),
    "bare": _Layout("", "text_encoder{_n}.", _PEFT),
    "kohya": _Layout("lora_unet_", "lora_te{n}_", _KOHYA, dots=False),
    "onetrainer": _Layout("lora_transformer_", "lora_te{n}_", _KOHYA, dots=False),
    "lycoris": _Layout("lycoris_", "lora_te{n}_", _KOHYA, dots=False),
    "old": _Layout("{root}.", "text_encoder{_n}.", _OLD),
}

LAYOUTS = tuple(_LAYOUTS)

NETWORKS = (
    "lora", "tucker", "dora", "dora_columns", "loha", "loha_tucker", "lokr", "lokr_full",
    "lokr_tucker",
)  # fmt: skip

_CLIPS = {1: "clip_l", 2: "clip_g", 3: "t5xxl"}


def write(
    path: Path,
    modules: Shapes,
    layout: str = "peft",
    network: str = "lora",
    *,
    rank: int = 4,
    alpha: float | None = None,
    encoders: Mapping[int, Shapes] | None = None,
    seed: int = 0,
    dtype: str = "float32",
    gain: float = 1.0,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Write a LoRA.

    Args:
        path: the file, which is replaced.
        modules: the shapes of the weights that it changes in the denoiser, by module name.
        layout: one of `LAYOUTS`.
        network: one of `NETWORKS`.
        rank: r, for every module.
        alpha: written as a tensor beside each module's; None: not written.
        encoders: the same as `modules` for text encoders, by their number from 1.
        seed: of the numbers, which also depend on each tensor's key.
        dtype: numpy's name of the type of the tensors.
        gain: how many times larger than usual the change is; usually ΔW is about as large as 1/√in.
        metadata: texts for the header.

    Returns:
        The path.
    """
    style = _LAYOUTS[layout]
    root = "unet" if any(name.startswith(_OF_UNETS) for name in modules) else "transformer"
    parts = {style.denoiser.format(root=root): modules}
    for number, shapes in (encoders or {}).items():
        suffix = "" if number == 1 else f"_{number}"
        prefix = style.encoder.format(n=number, _n=suffix, clip=_CLIPS[number])
        parts[prefix] = shapes
    tensors: Roles = {}
    for prefix, shapes in parts.items():
        for name, shape in shapes.items():
            stem = prefix + (name if style.dots else name.replace(".", "_"))
            draw = _Draw(np.random.default_rng([seed, crc32(stem.encode())]), gain)
            tensors |= {
                f"{stem}.{style.words.get(role, role)}": value.astype(dtype)
                for role, value in _roles(network, layout, shape, rank, draw).items()
            }
            if alpha is not None:
                tensors[f"{stem}.alpha"] = np.asarray(alpha, dtype)
    save_file(tensors, path, dict(metadata) if metadata else None)
    return path


#: How the names of modules of UNets begin, of diffusers' and of their authors'.
_OF_UNETS = ("down_blocks", "mid_block", "up_blocks", "input_blocks", "middle_block", "output_")


def modules_of(model: Any) -> dict[str, Shape]:
    """The shapes of the weights of every linear layer and convolution of a torch module."""
    from torch import nn

    return {
        name: tuple(module.weight.shape)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
    }


def original_modules(name: str, denoiser: Any) -> dict[str, Shape]:
    """The same with the names that the model's authors gave them, fused where theirs are.

    Args:
        name: of a pipeline, one of `tests.families.original_keys.DENOISERS`.
        denoiser: the loaded module.
    """
    from tests.families.original_keys import DENOISERS

    layers = {f"{module}.weight" for module in modules_of(denoiser)}
    state = {key: value for key, value in denoiser.state_dict().items() if key in layers}
    return {
        key.removeprefix("model.diffusion_model.").removesuffix(".weight"): tuple(tensor.shape)
        for key, tensor in DENOISERS[name](state).items()
    }


def _roles(network: str, layout: str, shape: Shape, rank: int, draw: _Draw) -> Roles:
    """The tensors of a module by role."""
    kind, _, form = network.partition("_")
    tucker = "tucker" in network and math.prod(shape[2:]) > 1
    match kind:
        case "loha":
            return _loha(draw, shape, rank, tucker)
        case "lokr":
            return _lokr(draw, shape, rank, tucker, whole=form == "full")
    roles = _lora(draw, shape, rank, tucker)
    if kind == "dora":
        lengths = 0.5 + draw.rng.random(shape[0] if form != "columns" else shape[1])
        roles["magnitude"] = lengths.reshape(_lengths_shape(shape, form, layout))
    return roles


@dataclass(frozen=True)
class _Draw:
    """Normal numbers, for a change that is `gain` times as large as usual."""

    rng: np.random.Generator
    gain: float

    def __call__(self, *shape: int, like: float = 1.0) -> NDArray[Any]:
        return self.rng.standard_normal(shape) * like


def _lora(draw: _Draw, shape: Shape, rank: int, tucker: bool) -> Roles:
    rows, columns, *kernel = shape
    ones = (1,) * len(kernel)
    small = draw.gain / math.sqrt(rank)
    if tucker:
        return {
            "down": draw(rank, columns, *ones, like=1 / math.sqrt(columns)),
            "mid": draw(rank, rank, *kernel, like=1 / math.sqrt(rank * math.prod(kernel))),
            "up": draw(rows, rank, *ones, like=small),
        }
    like = 1 / math.sqrt(columns * math.prod(kernel))
    return {
        "down": draw(rank, columns, *kernel, like=like),
        "up": draw(rows, rank, *ones, like=small),
    }


def _loha(draw: _Draw, shape: Shape, rank: int, tucker: bool) -> Roles:
    rows, columns, *kernel = shape
    like = math.sqrt(1 / rank)
    roles: Roles = {}
    for number in ("1", "2"):
        inner = math.sqrt(draw.gain) / (columns * math.prod(kernel)) ** 0.25
        if tucker:
            roles[f"hada_w{number}_a"] = draw(rank, rows, like=like)
            roles[f"hada_w{number}_b"] = draw(rank, columns, like=inner)
            roles[f"hada_t{number}"] = draw(rank, rank, *kernel, like=like)
        else:
            roles[f"hada_w{number}_a"] = draw(rows, rank, like=like)
            roles[f"hada_w{number}_b"] = draw(rank, columns * math.prod(kernel), like=inner)
    return roles


def _lokr(draw: _Draw, shape: Shape, rank: int, tucker: bool, *, whole: bool) -> Roles:
    rows, columns, *kernel = shape
    (a, c), (b, d) = _factors(rows), _factors(columns)
    roles = {"lokr_w1": draw(a, b)}
    small = draw.gain / math.sqrt(columns * math.prod(kernel))
    if whole:
        return {**roles, "lokr_w2": draw(c, d, *kernel, like=small)}
    like = 1 / math.sqrt(rank)
    if tucker:
        return {
            **roles,
            "lokr_t2": draw(rank, rank, *kernel, like=like),
            "lokr_w2_a": draw(rank, c, like=like),
            "lokr_w2_b": draw(rank, d, like=small),
        }
    return {
        **roles,
        "lokr_w2_a": draw(c, rank, like=like),
        "lokr_w2_b": draw(rank, d * math.prod(kernel), like=small),
    }


def _factors(number: int) -> tuple[int, int]:
    """Two factors, the smaller one first: the largest up to 8, as LyCORIS does it by default."""
    small = max(factor for factor in range(1, 9) if number % factor == 0)
    return small, number // small


def _lengths_shape(shape: Shape, form: str, layout: str) -> Shape:
    ones = (1,) * len(shape[2:])
    if form == "columns":
        return (1, shape[1], *ones)
    if _LAYOUTS[layout].words["down"].startswith("lora_A"):
        return (1, shape[0], *ones) if ones else (shape[0],)
    return (shape[0], 1, *ones)
