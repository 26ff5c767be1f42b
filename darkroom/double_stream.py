"""The names that Black Forest Labs' two generations of FLUX have in common.

Sources: `model.py` of github.com/black-forest-labs/flux and /flux2; `FluxTransformer2DModel` and
`Flux2Transformer2DModel` of diffusers 0.42.1 and their converters of the authors' checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from server.lora_names import Target, each

#: diffusers' layers of an attention over an image and a text at once.
JOINT_ATTENTION = (
    "to_q",
    "to_k",
    "to_v",
    "to_out.0",
    "add_q_proj",
    "add_k_proj",
    "add_v_proj",
    "to_add_out",
)

_OURS = "transformer_blocks.{}.attn"
_THEIRS = "double_blocks.{}"

#: The authors' names, and diffusers'.
NAMES: Mapping[str, str | tuple[str, ...] | Target] = MappingProxyType(
    {
        "img_in": "x_embedder",
        "txt_in": "context_embedder",
        f"{_THEIRS}.img_attn.qkv": tuple(f"{_OURS}.{layer}" for layer in ("to_q", "to_k", "to_v")),
        f"{_THEIRS}.txt_attn.qkv": tuple(f"{_OURS}.add_{layer}_proj" for layer in "qkv"),
        **each({_THEIRS: _OURS}, {"img_attn.proj": "to_out.0", "txt_attn.proj": "to_add_out"}),
        "final_layer.linear": "proj_out",
        # The authors have shift before scale, diffusers has scale before shift.
        "final_layer.adaLN_modulation.1": Target(("norm_out.linear",), halves_swapped=True),
    }
)
