"""FLUX.1: dev, schnell, Krea and a variant of dev.

Sources: the model cards of black-forest-labs/FLUX.1-dev, -schnell and -Krea-dev and of
aoxo/flux.1dev-abliteratedv2; github.com/black-forest-labs/flux (guidance, latent scale 0.3611 and
shift 0.1159); `FluxPipeline` of diffusers 0.42.1 (sizes in steps of 16, 512 tokens of T5).
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, JsonValue

from darkroom import (
    InpaintingParams,
    Integer,
    ModelCard,
    ModelFamily,
    Number,
    hookimpl,
    latents,
    sizes,
)
from darkroom.loras import LoraParams
from model_plugins.flux import lora

EXAMPLE: dict[str, JsonValue] = {
    "prompt": "A photorealistic landscape of snow-capped mountains",
    "width": 1024,
    "height": 1024,
}


class FluxParams(InpaintingParams, LoraParams):
    """A request to FLUX.1 dev or a model made of it."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    prompt: str = Field(
        min_length=1,
        max_length=10_000,
        description="What the image shows, in sentences; the model reads the first 512 tokens.",
    )
    steps: Integer = Field(28, ge=1, le=100, description="Denoising steps.")
    cfg_scale: Number = Field(
        3.5,
        ge=0,
        le=30,
        description="How strictly the image follows the prompt: a number the model was taught to "
        "obey (distilled guidance), which costs no time.",
    )
    sampler: Literal["euler"] = Field(
        "euler", description="The method that takes the denoising steps."
    )


class SchnellParams(InpaintingParams, LoraParams):
    """A request to FLUX.1 schnell, which knows no guidance."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    prompt: str = Field(
        min_length=1,
        max_length=10_000,
        description="What the image shows, in sentences; the model reads the first 256 tokens.",
    )
    steps: Integer = Field(4, ge=1, le=10, description="Denoising steps; it was made for 1 to 4.")
    sampler: Literal["euler"] = Field(
        "euler", description="The method that takes the denoising steps."
    )


NON_COMMERCIAL = "FLUX.1 [dev] Non-Commercial License"

DEV = ModelCard(
    id="flux-dev",
    title="FLUX.1 [dev]",
    source="black-forest-labs/FLUX.1-dev",
    aliases=("flux-1", "flux"),
    license=NON_COMMERCIAL,
    size_bytes=33_740_000_000,
    description="12 billion parameters, detailed images from long descriptions.",
)

SCHNELL = ModelCard(
    id="flux-schnell",
    title="FLUX.1 [schnell]",
    source="black-forest-labs/FLUX.1-schnell",
    license="Apache-2.0",
    size_bytes=33_720_000_000,
    description="FLUX.1 in four steps.",
    params=SchnellParams,
)

KREA = ModelCard(
    id="flux-krea-dev",
    title="FLUX.1 Krea [dev]",
    source="black-forest-labs/FLUX.1-Krea-dev",
    aliases=("flux-krea",),
    license=NON_COMMERCIAL,
    size_bytes=33_740_000_000,
    description="FLUX.1 taught to look like photographs rather than like renderings.",
    defaults={"cfg_scale": 4.5},
)

#: Its repository says Apache-2.0, but it is made of FLUX.1 [dev].
ABLITERATED = ModelCard(
    id="flux-abliterated",
    title="FLUX.1 [dev] abliterated v2",
    source="aoxo/flux.1dev-abliteratedv2",
    license=NON_COMMERCIAL,
    size_bytes=35_760_000_000,
    description="FLUX.1 [dev] changed so that it refuses less.",
)


@hookimpl
def register_model_families() -> list[ModelFamily]:
    """Announce the family."""
    return [
        ModelFamily(
            name="flux",
            title="FLUX.1",
            params=FluxParams,
            load="model_plugins.flux.pipeline:load",
            cards=(DEV, SCHNELL, KREA, ABLITERATED),
            latent_format=latents.FLUX,
            aspect_ratios=sizes.MEGAPIXEL,
            file_parts=frozenset({"transformer"}),
            capabilities=frozenset({"image_to_image", "inpainting", "loras"}),
            loras=lora.SUPPORT,
        )
    ]
