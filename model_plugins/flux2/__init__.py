"""FLUX.2 klein: four steps, and images as references beside the prompt.

Sources: the model cards of black-forest-labs/FLUX.2-klein-4B and -9B;
github.com/black-forest-labs/flux2; `Flux2KleinPipeline` of diffusers 0.42.1 (sizes in steps of 16,
512 tokens, references of at least 64 pixels and at most 8 : 1, scaled down to a megapixel).
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from darkroom import (
    ImageLimits,
    ImageSource,
    Integer,
    ModelCard,
    ModelFamily,
    hookimpl,
    latents,
)
from darkroom.loras import LoraParams
from model_plugins.flux2 import lora

#: What `Flux2KleinPipeline` refuses otherwise.
LIMITS = ImageLimits(min_edge=64, max_ratio=8)


class KleinParams(LoraParams):
    """A request to FLUX.2 klein."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"prompt": "A lighthouse of glass on a cliff, dusk", "width": 1024, "height": 1024},
            ]
        }
    )

    image_words = ("init_image", "reference_images")
    image_limits = LIMITS

    prompt: str = Field(
        min_length=1,
        max_length=10_000,
        description="What the image shows, or what changes in the reference images, in sentences; "
        "the model reads the first 512 tokens.",
    )
    steps: Integer = Field(4, ge=1, le=50, description="Denoising steps; it was made for 4.")
    sampler: Literal["euler"] = Field(
        "euler", description="The method that takes the denoising steps."
    )
    init_image: ImageSource | None = Field(
        None,
        description="An image to work from, as a data URI (PNG, JPEG or WebP) or the file name of "
        "an image of the gallery. This model reads it as a reference beside the prompt: there is "
        f"no `strength`. {LIMITS}",
    )
    reference_images: list[ImageSource] = Field(
        [], max_length=3, description=f"More images to work from, given like `init_image`. {LIMITS}"
    )


#: Sizes of about a megapixel, in steps of 16.
ASPECT_RATIOS = {
    "1:1": (1024, 1024),
    "4:3": (1184, 880),
    "3:4": (880, 1184),
    "3:2": (1248, 832),
    "2:3": (832, 1248),
    "16:9": (1392, 752),
    "9:16": (752, 1392),
    "21:9": (1504, 688),
}

KLEIN_4B = ModelCard(
    id="flux-2-klein-4b",
    title="FLUX.2 [klein] 4B",
    source="black-forest-labs/FLUX.2-klein-4B",
    aliases=("flux-2", "flux-2-klein"),
    license="Apache-2.0",
    size_bytes=15_960_000_000,
    description="FLUX.2 in four steps.",
    lora_width=3072,
)

KLEIN_9B = ModelCard(
    id="flux-2-klein-9b",
    title="FLUX.2 [klein] 9B",
    source="black-forest-labs/FLUX.2-klein-9B",
    license="FLUX Non-Commercial License",
    size_bytes=34_710_000_000,
    description="The larger klein.",
    lora_width=4096,
)


@hookimpl
def register_model_families() -> list[ModelFamily]:
    """Announce the family."""
    return [
        ModelFamily(
            name="flux2",
            title="FLUX.2",
            params=KleinParams,
            load="model_plugins.flux2.pipeline:load",
            cards=(KLEIN_4B, KLEIN_9B),
            latent_format=latents.FLUX2,
            aspect_ratios=ASPECT_RATIOS,
            file_parts=frozenset({"transformer"}),
            capabilities=frozenset({"image_to_image", "loras"}),
            loras=lora.SUPPORT,
        )
    ]
