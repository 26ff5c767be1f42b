"""LoRAs for FLUX.1: what its modules are called, and by what its files are known.

Sources: `FluxTransformer2DModel` of diffusers 0.42.1 and its converter of the authors' checkpoints;
`model.py` of github.com/black-forest-labs/flux; the published configuration (19 double and 38
single blocks of width 3072); XLabs-AI/x-flux for the names of its processors.
"""

from __future__ import annotations

from collections.abc import Mapping

from darkroom import double_stream
from darkroom.loras import (
    NARROW,
    LoraNames,
    LoraSupport,
    Proportions,
    Shape,
    each,
    is_said,
    recognize,
    together,
)

DOUBLE = "transformer_blocks.{}"
SINGLE = "single_transformer_blocks.{}"

#: The layers of a single block that the authors have in one.
FUSED = ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp")

_EMBEDDERS = {
    "time_in": "time_text_embed.timestep_embedder",
    "vector_in": "time_text_embed.text_embedder",
    "guidance_in": "time_text_embed.guidance_embedder",
}
_DOUBLE_LAYERS = {
    "img_mod.lin": "norm1.linear",
    "txt_mod.lin": "norm1_context.linear",
    "img_mlp.0": "ff.net.0.proj",
    "img_mlp.2": "ff.net.2",
    "txt_mlp.0": "ff_context.net.0.proj",
    "txt_mlp.2": "ff_context.net.2",
}
_EMBEDDER_LAYERS = {"in_layer": "linear_1", "out_layer": "linear_2"}
_QKV = double_stream.NAMES

NAMES = LoraNames(
    own=(
        "x_embedder",
        "context_embedder",
        *(f"{ours}.{layer}" for ours in _EMBEDDERS.values() for layer in ("linear_1", "linear_2")),
        *(f"{DOUBLE}.attn.{layer}" for layer in double_stream.JOINT_ATTENTION),
        *(f"{DOUBLE}.{layer}" for layer in _DOUBLE_LAYERS.values()),
        *(f"{SINGLE}.{layer}" for layer in (*FUSED, "proj_out", "norm.linear")),
        "norm_out.linear",
        "proj_out",
    ),
    others={
        **double_stream.NAMES,
        **each(_EMBEDDERS, _EMBEDDER_LAYERS),
        **each({"double_blocks.{}": DOUBLE}, _DOUBLE_LAYERS),
        "single_blocks.{}.linear1": together(SINGLE, FUSED),
        "single_blocks.{}.linear2": f"{SINGLE}.proj_out",
        "single_blocks.{}.modulation.lin": f"{SINGLE}.norm.linear",
        # XLabs' processors stand for the layers that they wrap.
        "double_blocks.{}.processor.qkv_lora1": _QKV["double_blocks.{}.img_attn.qkv"],
        "double_blocks.{}.processor.qkv_lora2": _QKV["double_blocks.{}.txt_attn.qkv"],
        "double_blocks.{}.processor.proj_lora1": f"{DOUBLE}.attn.to_out.0",
        "double_blocks.{}.processor.proj_lora2": f"{DOUBLE}.attn.to_add_out",
        "single_blocks.{}.processor.qkv_lora": together(SINGLE, FUSED[:3]),
        "single_blocks.{}.processor.proj_lora": f"{SINGLE}.proj_out",
    },
    # sd-scripts counts T5 as the third encoder, diffusers as the second.
    text_encoders={"te1": "text_encoder", "te2": "text_encoder_2", "te3": "text_encoder_2"},
)

PROPORTIONS: Proportions = {
    **{f"{DOUBLE}.attn.{layer}": (1, 1) for layer in double_stream.JOINT_ATTENTION},
    **{f"{DOUBLE}.{norm}.linear": (6, 1) for norm in ("norm1", "norm1_context")},
    **{f"{DOUBLE}.{part}.net.0.proj": (4, 1) for part in ("ff", "ff_context")},
    **{f"{DOUBLE}.{part}.net.2": (1, 4) for part in ("ff", "ff_context")},
    **{f"{SINGLE}.{layer}": (1, 1) for layer in FUSED},
    f"{SINGLE}.proj_mlp": (4, 1),
    f"{SINGLE}.proj_out": (1, 5),
    f"{SINGLE}.norm.linear": (3, 1),
    "norm_out.linear": (2, 1),
}

WIDTH = 3072
DOUBLE_BLOCKS = 19
SINGLE_BLOCKS = 38

BASE_MODELS = (
    *("flux.1", "flux1", "flux-1", "flux_1", "flux-dev", "flux-schnell", "flux-krea"),
    "black-forest-labs/flux.1",
)

#: Other models that share names and widths with it, which only the metadata can tell apart then.
RELATIVES = (
    *("chroma", "lodestones/chroma", "flux.2", "flux2", "flux-2", "flux_2", "hunyuan", "qwen"),
    *("longcat", "black-forest-labs/flux.2"),
)


def recognizes(shapes: Mapping[str, Shape], metadata: Mapping[str, str]) -> bool:
    """See `LoraSupport`. FLUX.2 has other proportions; Chroma has a layer for guidance in place of
    the modulations; HunyuanVideo and Qwen-Image have more blocks; Stable Diffusion 3 is narrower.
    A file for Chroma without that layer and without metadata cannot be told from one for FLUX.1."""
    found = recognize(NAMES, shapes)
    is_foreign = is_said(metadata, RELATIVES) or any("distilled_guidance" in key for key in shapes)
    if found is None or is_foreign:
        return False
    width, highest = found.width(PROPORTIONS), found.highest("single_transformer_blocks")
    if width == WIDTH:
        return highest < SINGLE_BLOCKS and found.highest("transformer_blocks") < DOUBLE_BLOCKS
    return width is not None and width < NARROW and highest >= 0


SUPPORT = LoraSupport(
    names=NAMES,
    recognizes_lora=recognizes,
    base_models=BASE_MODELS,
    relatives=RELATIVES,
)
