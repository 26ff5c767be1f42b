"""Loads and calls SDXL's pipelines; prompts are encoded by our own encoder."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from darkroom import LoadContext, ModelCard
from model_plugins.sdxl import SDXLParams
from model_plugins.sdxl.lora import NAMES
from server.worker.architecture import Architecture
from server.worker.diffusers_pipeline import DiffusersPipeline
from server.worker.loading import load_pretrained
from server.worker.prompt_weighting import encode

#: What the weights are made of.
ARCHITECTURE = Architecture(
    pipeline="StableDiffusionXLPipeline",
    denoiser="UNet2DConditionModel",
    part="unet",
    landmarks={
        "input_blocks.0.0.weight": "conv_in.weight",
        "label_emb.0.0.weight": "add_embedding.linear_1.weight",
    },
    prefix="model.diffusion_model.",
    whole=(
        "conditioner.embedders.0.transformer.text_model.embeddings.position_embedding.weight",
        "conditioner.embedders.1.model.positional_embedding",
        "first_stage_model.decoder.conv_in.weight",
    ),
)


class SDXLPipeline(DiffusersPipeline):
    """A loaded SDXL model."""

    lora_names = NAMES
    image_to_image = "StableDiffusionXLImg2ImgPipeline"
    image_to_image_options = MappingProxyType({"add_watermarker": False})

    def arguments(self, params: SDXLParams) -> dict[str, Any]:
        """See `DiffusersPipeline`."""
        # Without guidance a long negative prompt would still lengthen the other.
        negative = params.negative_prompt if params.cfg_scale > 1 else None
        return {
            **encode(self._pipe, params.text, negative, params.clip_skip or None),
            "width": params.width,
            "height": params.height,
            "num_inference_steps": params.steps,
            "guidance_scale": params.cfg_scale,
        }


def load(_card: ModelCard, context: LoadContext) -> SDXLPipeline:
    """Load an SDXL checkpoint."""
    # With a package installed that Darkroom does not need, the pipeline would mark every image.
    return SDXLPipeline(load_pretrained(ARCHITECTURE, context, add_watermarker=False))
