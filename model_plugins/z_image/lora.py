"""LoRAs for Z-Image: what its modules are called, and by what its files are known.

Sources: `ZImageTransformer2DModel` of diffusers 0.42.1 and its converter of the authors' files;
the published configuration (30 layers and twice 2 refiners of width 3840).
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from darkroom.loras import (
    NARROW,
    LoraNames,
    LoraSupport,
    Proportions,
    Shape,
    recognize,
    together,
)

#: The blocks, all of the same layers; those that refine the text have no modulation.
BLOCKS = ("layers.{}", "noise_refiner.{}", "context_refiner.{}")

_ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
_FEED_FORWARD = ("w1", "w2", "w3")
_MODULATION = tuple(f"{block}.adaLN_modulation.0" for block in BLOCKS[:2])

_EMBEDDER = "all_x_embedder.2-1"
_FINAL = "all_final_layer.2-1"

NAMES = LoraNames(
    own=(
        *(f"{block}.attention.{layer}" for block in BLOCKS for layer in _ATTENTION),
        *(f"{block}.feed_forward.{layer}" for block in BLOCKS for layer in _FEED_FORWARD),
        *_MODULATION,
        "t_embedder.mlp.0",
        "t_embedder.mlp.2",
        "cap_embedder.1",
        _EMBEDDER,
        f"{_FINAL}.linear",
        f"{_FINAL}.adaLN_modulation.1",
    ),
    others={
        **{
            f"{block}.attention.qkv": together(f"{block}.attention", _ATTENTION[:3])
            for block in BLOCKS
        },
        **{f"{block}.attention.out": f"{block}.attention.to_out.0" for block in BLOCKS},
        "x_embedder": _EMBEDDER,
        "final_layer.linear": f"{_FINAL}.linear",
        "final_layer.adaLN_modulation.1": f"{_FINAL}.adaLN_modulation.1",
    },
    text_encoders={"te1": "text_encoder"},
)

PROPORTIONS: Proportions = {
    **{f"{block}.attention.{layer}": (1, 1) for block in BLOCKS for layer in _ATTENTION},
    **{
        f"{block}.feed_forward.{layer}": (Fraction(8, 3), 1)
        for block in BLOCKS
        for layer in ("w1", "w3")
    },
}

WIDTH = 3840
LAYERS = 30

#: The modulations read this many numbers of the time, or as many as the model is wide.
TIME = 256

BASE_MODELS = ("zimage", "z-image", "z_image", "z image", "tongyi-mai/z-image")


def recognizes(shapes: Mapping[str, Shape], metadata: Mapping[str, str]) -> bool:
    """See `LoraSupport`. Lumina 2, whose modules have the same names, is narrower and has fewer
    keys than queries."""
    found = recognize(NAMES, shapes)
    if found is None:
        return False
    width = found.width(PROPORTIONS)
    if width is None or not (width == WIDTH or width < NARROW):
        return False
    times = found.inputs("adaLN_modulation.0")
    return times <= {min(width, TIME)} and found.highest("layers") < LAYERS


SUPPORT = LoraSupport(names=NAMES, recognizes_lora=recognizes, base_models=BASE_MODELS)
