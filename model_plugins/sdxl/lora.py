"""LoRAs for SDXL: what its modules are called, and by what its files are known.

Sources: `StableDiffusionXLPipeline` of diffusers 0.42.1 and its published configuration (three
levels, attention over 2048 numbers of text in the lower two, up to ten deep); the base models'
names of civitai and sd-scripts.
"""

from __future__ import annotations

from collections.abc import Mapping

from darkroom.loras import NARROW, LoraSupport, Recognized, Shape, is_said, recognize
from darkroom.unet import UNet

NAMES = UNet(down=(False, True, True), up=(True, True, False), layers=2).names(
    {"te1": "text_encoder", "te2": "text_encoder_2"}
)

#: The numbers per token of the text: both encoders' side by side.
TEXT = 2048

#: What the channels of all its levels are multiples of.
CHANNELS = 320

BASE_MODELS = (
    "sdxl",
    "sd xl",
    "stable-diffusion-xl",
    "stabilityai/stable-diffusion-xl",
    "illustrious",
    "noobai",
    "pony",
    "playground v2",
    "animagine",
)

#: Models with SDXL's UNet, or a part of it, behind other text encoders or in fewer layers.
RELATIVES = ("kolors", "kwai-kolors", "ssd-1b", "segmind")


def recognizes(shapes: Mapping[str, Shape], metadata: Mapping[str, str]) -> bool:
    """See `LoraSupport`. Stable Diffusion 1 and 2 have the same modules in other levels, and other
    texts; small relatives of SDXL are less deep."""
    found = recognize(NAMES, shapes)
    if found is None:
        return False
    texts = found.inputs("attn2.to_k") | found.inputs("attn2.to_v")
    if any(width not in (TEXT, *range(NARROW)) for width in texts):
        return False
    if TEXT in texts or found.highest("transformer_blocks") > 0:
        return True
    # Of a few modules that say little: who else has a second text encoder, and these widths?
    is_hinted = "te2" in found.parts or is_said(metadata, BASE_MODELS)
    return not texts and is_hinted and _has_channels(found)


def _has_channels(found: Recognized) -> bool:
    rows = {
        size[0]
        for templates, sizes in found.sizes.items()
        for size in sizes
        if templates != ("conv_out",)
    }
    return bool(rows) and all(number % CHANNELS == 0 for number in rows)


SUPPORT = LoraSupport(
    names=NAMES,
    recognizes_lora=recognizes,
    base_models=BASE_MODELS,
    relatives=RELATIVES,
    weighted_prompts=True,
)
