"""The embedded family: a small real diffusion model whose weights ship with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, Field

from darkroom import (
    InpaintingParams,
    Integer,
    LatentFormat,
    ModelCard,
    ModelFamily,
    Number,
    hookimpl,
)
from darkroom.loras import LoraParams
from model_plugins.postcard import lora

WEIGHTS = Path(__file__).parent / "weights"


class PostcardParams(InpaintingParams, LoraParams):
    """A request for a postcard: coloured shapes on a flat ground, or a little landscape."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"prompt": "a red circle on a blue background", "seed": 7},
                {
                    "prompt": "a sailboat on the sea at sunset",
                    "width": 192,
                    "steps": 30,
                    "sampler": "dpm++_2m",
                    "num_images": 2,
                },
            ]
        }
    )

    prompt: str = Field(
        min_length=1,
        max_length=10_000,
        description="What the image shows, in words; the model reads the first 38 tokens.",
        examples=["a red circle on a blue background"],
    )
    negative_prompt: str = Field("", max_length=10_000, description="What the image must not show.")
    width: Integer = Field(
        128, ge=64, le=2048, multiple_of=16, description="Width in pixels; 128 is native."
    )
    height: Integer = Field(
        128, ge=64, le=2048, multiple_of=16, description="Height in pixels; 128 is native."
    )
    steps: Integer = Field(20, ge=1, le=50, description="Denoising steps.")
    cfg_scale: Number = Field(
        3.0, ge=1, le=20, description="How strictly the image follows the prompt; 1: no guidance."
    )
    sampler: Literal["euler", "euler_a", "dpm++_2m", "ddim"] = Field(
        "euler", description="The method that takes the denoising steps."
    )


#: Latent channels 0–2 are, by construction, the luma and two chroma means of 8 × 8 pixels (see
#: `training/latents.py`), so that this map is exact; the others hold detail.
LATENT_FORMAT = LatentFormat(
    rgb_factors=(
        (0.48, 0.48, 0.48),
        (0.0, -0.11012, 0.56704),
        (0.44864, -0.22852, 0.0),
        *((0.0, 0.0, 0.0),) * 5,
    ),
    rgb_bias=(-0.08, -0.08, -0.08),
)


@hookimpl
def register_model_families() -> list[ModelFamily]:
    """Announce the family with its one model."""
    card = ModelCard(
        id="postcard",
        title="Postcard",
        source="package:model_plugins.postcard/weights",
        license="Apache-2.0",
        size_bytes=sum(file.stat().st_size for file in WEIGHTS.rglob("*") if file.is_file()),
        description="Coloured shapes and little landscapes, 128 pixels wide; runs on any CPU.",
        training_resolution=128,
        bundled=True,
    )
    return [
        ModelFamily(
            name="postcard",
            title="Postcard",
            params=PostcardParams,
            load="model_plugins.postcard.pipeline:load",
            cards=(card,),
            latent_format=LATENT_FORMAT,
            capabilities=frozenset({"negative_prompt", "image_to_image", "inpainting", "loras"}),
            loras=lora.SUPPORT,
        )
    ]
