"""Stable Diffusion XL and the models made of it, such as Illustrious.

Sources: the model card of stabilityai/stable-diffusion-xl-base-1.0; Podell et al., "SDXL",
arXiv:2307.01952; Stability-AI/generative-models (latent scale 0.13025, resolutions);
`StableDiffusionXLPipeline` of diffusers 0.42.1 (sizes in steps of 8).
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from darkroom import (
    InpaintingParams,
    Integer,
    ModelCard,
    ModelFamily,
    Number,
    hookimpl,
    latents,
)
from darkroom.loras import LoraParams
from model_plugins.sdxl import lora

Sampler = Literal[
    "euler",
    "euler_a",
    "dpm++_2m",
    "dpm++_2m_sde",
    "dpm++_sde",
    "ddim",
    "heun",
    "lms",
    "uni_pc",
    "euler_karras",
    "dpm++_2m_karras",
    "dpm++_2m_sde_karras",
    "dpm++_sde_karras",
    "heun_karras",
    "lms_karras",
    "uni_pc_karras",
]


class SDXLParams(InpaintingParams, LoraParams):
    """A request to an SDXL model."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "prompt": "masterpiece, best quality, 1girl, solo, long blonde hair, "
                    "blue eyes, white dress, flower garden, soft lighting",
                    "negative_prompt": "worst quality, low quality, blurry, bad anatomy, "
                    "bad hands, watermark",
                    "width": 1024,
                    "height": 1024,
                    "seed": 42,
                },
                {
                    "prompt": "masterpiece, best quality, 1girl, portrait, looking at viewer",
                    "negative_prompt": "worst quality, low quality",
                    "loras": [{"id": "civitai_1963644", "weight": 0.8, "trigger_weight": 0.5}],
                },
            ]
        }
    )

    prompt: str = Field(
        min_length=1,
        max_length=10_000,
        description="What the image shows: words or tags of any number. `(word:1.3)` weighs a part "
        "more, `[word]` less, `BREAK` begins a new chunk of 75 tokens, `\\(` is a bracket; "
        "`<lora:NAME:WEIGHT>` or `<lora:NAME:WEIGHT:TRIGGER_WEIGHT>` applies a LoRA.",
    )
    negative_prompt: str | None = Field(
        None,
        max_length=10_000,
        description="What the image must not show, in the same syntax. null leaves it to the "
        "checkpoint's own default, an empty text is encoded as such.",
    )
    width: Integer = Field(1024, ge=64, le=2048, multiple_of=8, description="Width in pixels.")
    height: Integer = Field(1024, ge=64, le=2048, multiple_of=8, description="Height in pixels.")
    steps: Integer = Field(25, ge=1, le=150, description="Denoising steps.")
    cfg_scale: Number = Field(
        7.0,
        ge=1,
        le=30,
        description="How strictly the image follows the prompt; 1: no guidance, and no negative "
        "prompt.",
    )
    sampler: Sampler = Field("euler_a", description="The method that takes the denoising steps.")
    clip_skip: Integer = Field(
        0,
        ge=0,
        le=8,
        description="How many more of the text encoders' last layers are left out than SDXL "
        "leaves out anyway. What other tools call clip skip 2 is 0 here.",
    )


#: Sizes near a megapixel that SDXL was trained on (Stability-AI/generative-models).
ASPECT_RATIOS = {
    "1:1": (1024, 1024),
    "4:3": (1152, 896),
    "3:4": (896, 1152),
    "3:2": (1216, 832),
    "2:3": (832, 1216),
    "16:9": (1344, 768),
    "9:16": (768, 1344),
    "21:9": (1536, 640),
}

BASE = ModelCard(
    id="sdxl-base",
    title="Stable Diffusion XL",
    source="stabilityai/stable-diffusion-xl-base-1.0",
    aliases=("sdxl",),
    license="CreativeML Open RAIL++-M",
    size_bytes=6_940_000_000,
    # Half the size of the plain files, which are float32.
    variant="fp16",
    description="Stability AI's model of 2023, the base of thousands of others.",
)

#: The source is the guide's own; facts about it from civitai's developer documentation. Steps and
#: guidance are Darkroom's choice, within the 20 to 30 and 5 to 8 of the project's guide.
ILLUSTRIOUS = ModelCard(
    id="illustrious-xl",
    title="Illustrious XL (WAI-illustrious-SDXL v16)",
    source="urn:air:sdxl:checkpoint:civitai:827184@2514310",
    config=BASE.source,
    aliases=("illustrious",),
    license="see its page at civitai",
    size_bytes=6_938_040_678,
    description="Illustrations in the manner of anime, from tags; knows thousands of characters.",
    defaults={"steps": 28, "cfg_scale": 6.0},
)


@hookimpl
def register_model_families() -> list[ModelFamily]:
    """Announce the family."""
    return [
        ModelFamily(
            name="sdxl",
            title="SDXL",
            params=SDXLParams,
            load="model_plugins.sdxl.pipeline:load",
            cards=(BASE, ILLUSTRIOUS),
            latent_format=latents.SDXL,
            aspect_ratios=ASPECT_RATIOS,
            file_parts=frozenset({"unet", "vae", "text_encoder", "text_encoder_2"}),
            capabilities=frozenset({"negative_prompt", "image_to_image", "inpainting", "loras"}),
            loras=lora.SUPPORT,
        )
    ]
