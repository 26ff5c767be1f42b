"""Chroma: a lighter relative of FLUX.1 [schnell] with real guidance and negative prompts.

Sources: the model cards of lodestones/Chroma1-HD, -Base and -Flash; `ChromaPipeline` of diffusers
0.42.1 (sizes in steps of 16, 512 tokens of T5). Defaults of steps and guidance are the project's
guide's; the card of Chroma1-HD itself uses 40 steps at 3.0. Schedulers are taken from the
repositories, whose shifts differ according to copies of them by others.
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
    sizes,
)


class ChromaParams(InpaintingParams):
    """A request to Chroma."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "prompt": "a fluffy orange cat sleeping on a sunny windowsill, "
                    "soft natural light",
                    "width": 1024,
                    "height": 1024,
                }
            ]
        }
    )

    prompt: str = Field(
        min_length=1,
        max_length=10_000,
        description="What the image shows, in sentences; the model reads the first 512 tokens.",
    )
    negative_prompt: str = Field("", max_length=10_000, description="What the image must not show.")
    steps: Integer = Field(28, ge=1, le=100, description="Denoising steps.")
    cfg_scale: Number = Field(
        4.0, ge=1, le=20, description="How strictly the image follows the prompt; 1: no guidance."
    )
    sampler: Literal["euler"] = Field(
        "euler", description="The method that takes the denoising steps."
    )


SIZE = 27_490_000_000

HD = ModelCard(
    id="chroma-hd",
    title="Chroma1 HD",
    source="lodestones/Chroma1-HD",
    aliases=("chroma",),
    license="Apache-2.0",
    size_bytes=SIZE,
    description="8.9 billion parameters, natural language, trained at 1024 pixels.",
)

BASE = ModelCard(
    id="chroma-base",
    title="Chroma1 Base",
    source="lodestones/Chroma1-Base",
    license="Apache-2.0",
    size_bytes=SIZE,
    description="The version of 512 pixels that the others were made of.",
    training_resolution=512,
    defaults={"steps": 20},
)

FLASH = ModelCard(
    id="chroma-flash",
    title="Chroma1 Flash",
    source="lodestones/Chroma1-Flash",
    license="Apache-2.0",
    size_bytes=SIZE,
    description="An experiment of its author: images in a few steps.",
    defaults={"steps": 4},
)


@hookimpl
def register_model_families() -> list[ModelFamily]:
    """Announce the family."""
    return [
        ModelFamily(
            name="chroma",
            title="Chroma",
            params=ChromaParams,
            load="model_plugins.chroma.pipeline:load",
            cards=(HD, BASE, FLASH),
            latent_format=latents.FLUX,
            aspect_ratios=sizes.MEGAPIXEL,
            file_parts=frozenset({"transformer"}),
            capabilities=frozenset({"negative_prompt", "image_to_image", "inpainting"}),
        )
    ]
