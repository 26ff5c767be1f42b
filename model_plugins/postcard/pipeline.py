"""Loads and calls the embedded model: SDXL's pipeline at a thousandth of its size."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

from darkroom import LoadContext, ModelCard
from model_plugins.postcard import PostcardParams
from model_plugins.postcard.lora import NAMES
from server.worker.architecture import Architecture
from server.worker.diffusers_pipeline import DiffusersPipeline, count_clipped
from server.worker.loading import load_pretrained

#: What the text encoders read, between the marks of beginning and end.
TOKENS = 40

#: What the weights are made of.
ARCHITECTURE = Architecture(
    pipeline="StableDiffusionXLPipeline", denoiser="UNet2DConditionModel", part="unet"
)


class PostcardPipeline(DiffusersPipeline):
    """The loaded model."""

    lora_names = NAMES
    image_to_image = "StableDiffusionXLImg2ImgPipeline"
    image_to_image_options = MappingProxyType({"add_watermarker": False})

    def arguments(self, params: PostcardParams) -> dict[str, Any]:
        """See `DiffusersPipeline`."""
        return {
            "prompt": params.text,
            "negative_prompt": params.negative_prompt,
            "width": params.width,
            "height": params.height,
            "num_inference_steps": params.steps,
            "guidance_scale": params.cfg_scale,
        }

    def clipped_tokens(self, text: str, _params: PostcardParams) -> int:
        """See `DiffusersPipeline`."""
        return count_clipped(self._pipe.tokenizer, text, TOKENS)


def load(_card: ModelCard, context: LoadContext) -> PostcardPipeline:
    """Load the weights, which are float16 on disk, to float32: as trained, and the model is too
    small for a narrower type to gain anything."""
    context = replace(context, dtype="float32")
    return PostcardPipeline(load_pretrained(ARCHITECTURE, context, add_watermarker=False))
