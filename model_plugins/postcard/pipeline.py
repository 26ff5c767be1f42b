"""Loads and calls the embedded model: SDXL's pipeline at a thousandth of its size."""

from __future__ import annotations

from typing import Any

from darkroom import LoadContext, ModelCard
from model_plugins.postcard import PostcardParams
from server.worker.diffusers_pipeline import DiffusersPipeline, load_pretrained


class PostcardPipeline(DiffusersPipeline):
    """The loaded model."""

    def arguments(self, params: PostcardParams) -> dict[str, Any]:
        """See `DiffusersPipeline`."""
        return {
            "prompt": params.prompt,
            "negative_prompt": params.negative_prompt,
            "width": params.width,
            "height": params.height,
            "num_inference_steps": params.steps,
            "guidance_scale": params.cfg_scale,
        }


def load(_card: ModelCard, context: LoadContext) -> PostcardPipeline:
    """Load the weights, which are float16 on disk, to float32: as trained, and the model is too
    small for a narrower type to gain anything."""
    pipe = load_pretrained(
        "StableDiffusionXLPipeline", context.path, "float32", add_watermarker=False
    )
    return PostcardPipeline(pipe.to(context.device))
