"""Z-Image Turbo: eight steps, no guidance, good at lettering.

Sources: the model card of Tongyi-MAI/Z-Image-Turbo and github.com/Tongyi-MAI/Z-Image (8 steps,
guidance 0: the model was distilled without it); `ZImagePipeline` of diffusers 0.42.1 (sizes in
steps of 16, 512 tokens). Its autoencoder is that of FLUX.1.
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from darkroom import InpaintingParams, Integer, ModelCard, ModelFamily, hookimpl, latents
from darkroom.loras import LoraParams
from model_plugins.z_image import lora


class ZImageParams(InpaintingParams, LoraParams):
    """A request to Z-Image Turbo."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "prompt": "A vintage coffee shop interior with warm lighting",
                    "width": 1024,
                    "height": 1024,
                }
            ]
        }
    )

    prompt: str = Field(
        min_length=1,
        max_length=10_000,
        description="What the image shows, in sentences (English or Chinese); the model reads the "
        "first 512 tokens.",
    )
    steps: Integer = Field(8, ge=1, le=50, description="Denoising steps; it was made for 8.")
    sampler: Literal["euler"] = Field(
        "euler", description="The method that takes the denoising steps."
    )


#: Sizes of the official demonstration.
ASPECT_RATIOS = {
    "1:1": (1024, 1024),
    "4:3": (1152, 864),
    "3:4": (864, 1152),
    "3:2": (1248, 832),
    "2:3": (832, 1248),
    "16:9": (1280, 720),
    "9:16": (720, 1280),
    "21:9": (1344, 576),
}

TURBO = ModelCard(
    id="z-image-turbo",
    title="Z-Image Turbo",
    source="Tongyi-MAI/Z-Image-Turbo",
    aliases=("z-image",),
    license="Apache-2.0",
    size_bytes=32_800_000_000,
    description="6 billion parameters, images in eight steps, lettering in English and Chinese.",
)


@hookimpl
def register_model_families() -> list[ModelFamily]:
    """Announce the family."""
    return [
        ModelFamily(
            name="z_image",
            title="Z-Image",
            params=ZImageParams,
            load="model_plugins.z_image.pipeline:load",
            cards=(TURBO,),
            latent_format=latents.FLUX,
            aspect_ratios=ASPECT_RATIOS,
            file_parts=frozenset({"transformer"}),
            capabilities=frozenset({"image_to_image", "inpainting", "loras"}),
            loras=lora.SUPPORT,
        )
    ]
