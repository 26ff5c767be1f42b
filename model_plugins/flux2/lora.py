"""LoRAs for FLUX.2 klein: what its modules are called, and by what its files are known.

Sources: `Flux2Transformer2DModel` of diffusers 0.42.1 and its converter of the authors' files;
`model.py` of github.com/black-forest-labs/flux2; the published configurations of klein 4B (5 double
and 20 single blocks of width 3072) and 9B (8 and 24 of width 4096).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial

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
    width_among,
)

DOUBLE = "transformer_blocks.{}"
SINGLE = "single_transformer_blocks.{}"

_EMBEDDERS = {
    "time_in": "time_guidance_embed.timestep_embedder",
    "guidance_in": "time_guidance_embed.guidance_embedder",
}
_EMBEDDER_LAYERS = {"in_layer": "linear_1", "out_layer": "linear_2"}
_DOUBLE_LAYERS = {
    "img_mlp.0": "ff.linear_in",
    "img_mlp.2": "ff.linear_out",
    "txt_mlp.0": "ff_context.linear_in",
    "txt_mlp.2": "ff_context.linear_out",
}
_SINGLE_LAYERS = {"linear1": "attn.to_qkv_mlp_proj", "linear2": "attn.to_out"}
_MODULATIONS = (
    "double_stream_modulation_img",
    "double_stream_modulation_txt",
    "single_stream_modulation",
)

NAMES = LoraNames(
    own=(
        "x_embedder",
        "context_embedder",
        *(f"{ours}.{layer}" for ours in _EMBEDDERS.values() for layer in ("linear_1", "linear_2")),
        *(f"{modulation}.linear" for modulation in _MODULATIONS),
        *(f"{DOUBLE}.attn.{layer}" for layer in double_stream.JOINT_ATTENTION),
        *(f"{DOUBLE}.{layer}" for layer in _DOUBLE_LAYERS.values()),
        *(f"{SINGLE}.{layer}" for layer in _SINGLE_LAYERS.values()),
        "norm_out.linear",
        "proj_out",
    ),
    others={
        **double_stream.NAMES,
        **each(_EMBEDDERS, _EMBEDDER_LAYERS),
        **{f"{modulation}.lin": f"{modulation}.linear" for modulation in _MODULATIONS},
        **each({"double_blocks.{}": DOUBLE}, _DOUBLE_LAYERS),
        **each({"single_blocks.{}": SINGLE}, _SINGLE_LAYERS),
    },
    text_encoders={"te1": "text_encoder"},
)

PROPORTIONS: Proportions = {
    **{f"{DOUBLE}.attn.{layer}": (1, 1) for layer in double_stream.JOINT_ATTENTION},
    # The perceptrons have gates, hence twice the rows.
    **{f"{DOUBLE}.{part}.linear_in": (6, 1) for part in ("ff", "ff_context")},
    **{f"{DOUBLE}.{part}.linear_out": (1, 3) for part in ("ff", "ff_context")},
    **{f"{modulation}.linear": (6, 1) for modulation in _MODULATIONS[:2]},
    f"{_MODULATIONS[2]}.linear": (3, 1),
    f"{SINGLE}.attn.to_qkv_mlp_proj": (9, 1),
    f"{SINGLE}.attn.to_out": (1, 4),
    "norm_out.linear": (2, 1),
}

#: Double and single blocks by the width of the published models.
BLOCKS = {3072: (5, 20), 4096: (8, 24)}

#: Names of modules that FLUX.1, as wide as klein 4B, has not.
_PECULIAR = re.compile(r"modulation|\.linear_(in|out)$|\.to_qkv_mlp_proj$|single.*\.to_out$")

BASE_MODELS = (
    *("flux.2", "flux2", "flux-2", "flux_2", "klein"),
    "black-forest-labs/flux.2",
)


def recognizes(shapes: Mapping[str, Shape], metadata: Mapping[str, str]) -> bool:
    """See `LoraSupport`. The attention of the double blocks alone could be FLUX.1's, unless the
    metadata say otherwise; files for the far larger FLUX.2 dev are for no model of this family."""
    found = recognize(NAMES, shapes)
    if found is None:
        return False
    width = found.width(PROPORTIONS)
    if width is None or not (width in BLOCKS or width < NARROW):
        return False
    double, single = BLOCKS.get(width, (NARROW, NARROW))
    is_too_deep = (
        found.highest("transformer_blocks") >= double
        or found.highest("single_transformer_blocks") >= single
    )
    is_peculiar = width == 4096 or any(_PECULIAR.search(module) for module in found.modules)
    return not is_too_deep and (is_peculiar or is_said(metadata, BASE_MODELS))


SUPPORT = LoraSupport(
    names=NAMES,
    recognizes_lora=recognizes,
    base_models=BASE_MODELS,
    width=partial(width_among, NAMES, PROPORTIONS, BLOCKS),
)
