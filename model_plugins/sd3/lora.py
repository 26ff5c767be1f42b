"""LoRAs for Stable Diffusion 3.5: what its modules are called, and by what its files are known.

Sources: `SD3Transformer2DModel` of diffusers 0.42.1 and its converter of the authors' checkpoints;
`mmditx.py` of github.com/Stability-AI/sd3.5; the published configurations of Medium (24 blocks of
width 1536) and Large (38 of width 2432).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from darkroom.double_stream import JOINT_ATTENTION
from darkroom.loras import (
    NARROW,
    LoraNames,
    LoraSupport,
    Proportions,
    Shape,
    Target,
    each,
    recognize,
    together,
    width_among,
)

BLOCK = "transformer_blocks.{}"

#: The second attention of Medium's first blocks, over the image alone.
SELF_ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")

_IMAGE = "joint_blocks.{}.x_block"
_TEXT = "joint_blocks.{}.context_block"

_EMBEDDERS = {
    "t_embedder.mlp": "time_text_embed.timestep_embedder",
    "y_embedder.mlp": "time_text_embed.text_embedder",
}
_EMBEDDER_LAYERS = {"0": "linear_1", "2": "linear_2"}
_PERCEPTRON = {"mlp.fc1": "net.0.proj", "mlp.fc2": "net.2"}

NAMES = LoraNames(
    own=(
        "pos_embed.proj",
        "context_embedder",
        *(f"{ours}.{layer}" for ours in _EMBEDDERS.values() for layer in ("linear_1", "linear_2")),
        *(f"{BLOCK}.attn.{layer}" for layer in JOINT_ATTENTION),
        *(f"{BLOCK}.attn2.{layer}" for layer in SELF_ATTENTION),
        *(
            f"{BLOCK}.{part}.{layer}"
            for part in ("ff", "ff_context")
            for layer in _PERCEPTRON.values()
        ),
        f"{BLOCK}.norm1.linear",
        f"{BLOCK}.norm1_context.linear",
        "norm_out.linear",
        "proj_out",
    ),
    others={
        "x_embedder.proj": "pos_embed.proj",
        **each(_EMBEDDERS, _EMBEDDER_LAYERS),
        f"{_IMAGE}.attn.qkv": together(f"{BLOCK}.attn", ("to_q", "to_k", "to_v")),
        f"{_IMAGE}.attn2.qkv": together(f"{BLOCK}.attn2", ("to_q", "to_k", "to_v")),
        f"{_TEXT}.attn.qkv": together(f"{BLOCK}.attn", (f"add_{layer}_proj" for layer in "qkv")),
        f"{_IMAGE}.attn.proj": f"{BLOCK}.attn.to_out.0",
        f"{_IMAGE}.attn2.proj": f"{BLOCK}.attn2.to_out.0",
        f"{_TEXT}.attn.proj": f"{BLOCK}.attn.to_add_out",
        **each({_IMAGE: f"{BLOCK}.ff", _TEXT: f"{BLOCK}.ff_context"}, _PERCEPTRON),
        f"{_IMAGE}.adaLN_modulation.1": f"{BLOCK}.norm1.linear",
        # The last block has only a shift and a scale for the text, in the authors' order.
        f"{_TEXT}.adaLN_modulation.1": Target((f"{BLOCK}.norm1_context.linear",), True),
        "final_layer.linear": "proj_out",
        "final_layer.adaLN_modulation.1": Target(("norm_out.linear",), halves_swapped=True),
    },
    text_encoders={"te1": "text_encoder", "te2": "text_encoder_2", "te3": "text_encoder_3"},
)

PROPORTIONS: Proportions = {
    **{f"{BLOCK}.attn.{layer}": (1, 1) for layer in JOINT_ATTENTION},
    **{f"{BLOCK}.attn2.{layer}": (1, 1) for layer in SELF_ATTENTION},
    **{f"{BLOCK}.{part}.net.0.proj": (4, 1) for part in ("ff", "ff_context")},
    **{f"{BLOCK}.{part}.net.2": (1, 4) for part in ("ff", "ff_context")},
    "norm_out.linear": (2, 1),
}

#: Blocks by the width of the published models. Stable Diffusion 3 Medium is as wide as 3.5 Medium.
BLOCKS = {1536: 24, 2432: 38}

BASE_MODELS = (
    "sd 3",
    "sd3",
    "sd-3",
    "stable-diffusion-v3",
    "stable-diffusion-3",
    "stabilityai/stable-diffusion-3",
)


def recognizes(shapes: Mapping[str, Shape], metadata: Mapping[str, str]) -> bool:
    """See `LoraSupport`. Other models of such blocks have other widths."""
    found = recognize(NAMES, shapes)
    if found is None:
        return False
    width = found.width(PROPORTIONS)
    if width is None or not (width in BLOCKS or width < NARROW):
        return False
    return found.highest("transformer_blocks") < BLOCKS.get(width, NARROW)


SUPPORT = LoraSupport(
    names=NAMES,
    recognizes_lora=recognizes,
    base_models=BASE_MODELS,
    width=partial(width_among, NAMES, PROPORTIONS, BLOCKS),
)
