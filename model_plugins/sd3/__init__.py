"""Stable Diffusion 3.5: large, medium, and large in four steps.

Sources: the model cards of stabilityai/stable-diffusion-3.5-large, -medium and -large-turbo (steps
and guidance of their examples); github.com/Stability-AI/sd3.5 (shift 3.0, latent scale 1.5305 and
shift 0.0609); `StableDiffusion3Pipeline` of diffusers 0.42.1 (sizes in steps of 16).
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
from model_plugins.sd3 import lora

EXAMPLE: dict[str, JsonValue] = {
    "prompt": "A capybara holding a sign that reads Hello World",
    "width": 1024,
    "height": 1024,
}


class TurboParams(InpaintingParams, LoraParams):
    """A request to Stable Diffusion 3.5 Large Turbo, which knows no guidance."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    prompt: str = Field(
        min_length=1,
        max_length=10_000,
        description="What the image shows, in sentences; the model reads the first 256 tokens.",
    )
    steps: Integer = Field(4, ge=1, le=20, description="Denoising steps; it was made for 4.")
    sampler: Literal["euler", "heun"] = Field(
        "euler",
        description="The method that takes the denoising steps; heun takes twice the time.",
    )


class SD3Params(TurboParams):
    """A request to Stable Diffusion 3.5 Large or Medium."""

    negative_prompt: str = Field("", max_length=10_000, description="What the image must not show.")
    steps: Integer = Field(28, ge=1, le=100, description="Denoising steps.")
    cfg_scale: Number = Field(
        3.5, ge=1, le=20, description="How strictly the image follows the prompt; 1: no guidance."
    )


LICENSE = "Stability AI Community License"

LARGE = ModelCard(
    id="sd-3.5-large",
    title="Stable Diffusion 3.5 Large",
    source="stabilityai/stable-diffusion-3.5-large",
    aliases=("sd-3.5",),
    license=LICENSE,
    size_bytes=27_620_000_000,
    description="8 billion parameters, many styles.",
    lora_width=2432,
)

MEDIUM = ModelCard(
    id="sd-3.5-medium",
    title="Stable Diffusion 3.5 Medium",
    source="stabilityai/stable-diffusion-3.5-medium",
    license=LICENSE,
    size_bytes=16_270_000_000,
    description="2.5 billion parameters, up to 1440 × 1440.",
    defaults={"steps": 40, "cfg_scale": 4.5},
    lora_width=1536,
)

TURBO = ModelCard(
    id="sd-3.5-large-turbo",
    title="Stable Diffusion 3.5 Large Turbo",
    source="stabilityai/stable-diffusion-3.5-large-turbo",
    license=LICENSE,
    size_bytes=27_620_000_000,
    description="Large in four steps.",
    params=TurboParams,
    lora_width=2432,
)


@hookimpl
def register_model_families() -> list[ModelFamily]:
    """Announce the family."""
    return [
        ModelFamily(
            name="sd3",
            title="Stable Diffusion 3.5",
            params=SD3Params,
            load="model_plugins.sd3.pipeline:load",
            cards=(LARGE, MEDIUM, TURBO),
            latent_format=latents.SD3,
            aspect_ratios=sizes.MEGAPIXEL,
            capabilities=frozenset({"negative_prompt", "image_to_image", "inpainting", "loras"}),
            loras=lora.SUPPORT,
        )
    ]
