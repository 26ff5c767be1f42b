"""LoRAs for the embedded model: SDXL's modules at a thousandth of their size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from darkroom.loras import LoraSupport, Proportions, Shape, recognize
from darkroom.unet import UNet

NAMES = UNet(down=(False, True), up=(True, False), layers=1).names(
    {"te1": "text_encoder", "te2": "text_encoder_2"}
)

#: The channels of the level with attention, and the numbers per token of the text.
WIDTH = 128

_SQUARE = ("attn1.to_q", "attn1.to_k", "attn1.to_v", "attn1.to_out.0", "proj_in", "proj_out")
_ENDINGS = {
    **dict.fromkeys(_SQUARE, (1, 1)),
    **dict.fromkeys((ending.replace("attn1", "attn2") for ending in _SQUARE), (1, 1)),
    "ff.net.0.proj": (8, 1),
    "ff.net.2": (1, 4),
}

PROPORTIONS: Proportions = {
    template: proportion
    for template in NAMES.own
    for ending, proportion in _ENDINGS.items()
    if template.endswith(ending)
}


def recognizes(shapes: Mapping[str, Shape], metadata: Mapping[str, str]) -> bool:
    """See `LoraSupport`. No other model is so narrow and so shallow; the residual blocks alone say
    too little."""
    found = recognize(NAMES, shapes)
    if found is None or found.highest("transformer_blocks") > 0:
        return False
    return found.width(PROPORTIONS) == WIDTH


SUPPORT = LoraSupport(
    names=NAMES,
    recognizes_lora=recognizes,
    base_models=("postcard",),
    folder=Path(__file__).parent / "loras",
)
