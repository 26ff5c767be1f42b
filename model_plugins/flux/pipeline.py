"""Loads and calls FLUX.1's pipelines."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from darkroom import LoadContext, ModelCard
from model_plugins.flux import FluxParams, SchnellParams
from model_plugins.flux.lora import NAMES
from server.worker.architecture import Architecture
from server.worker.diffusers_pipeline import (
    DiffusersPipeline,
    count_clipped,
    pack,
    unpack,
)
from server.worker.loading import load_pretrained

#: What the weights are made of.
ARCHITECTURE = Architecture(
    pipeline="FluxPipeline",
    denoiser="FluxTransformer2DModel",
    landmarks={
        "img_in.weight": "x_embedder.weight",
        "txt_in.weight": "context_embedder.weight",
        "vector_in.in_layer.weight": "time_text_embed.text_embedder.linear_1.weight",
    },
    options={
        "guidance_in.in_layer.weight": "time_text_embed.guidance_embedder.linear_1.weight",
    },
    large_encoders=("text_encoder_2",),
)


class FluxPipeline(DiffusersPipeline):
    """A loaded FLUX.1 model."""

    lora_names = NAMES
    image_to_image = "FluxImg2ImgPipeline"

    def arguments(self, params: FluxParams | SchnellParams) -> dict[str, Any]:
        """See `DiffusersPipeline`."""
        return {
            "prompt": params.text,
            "width": params.width,
            "height": params.height,
            "num_inference_steps": params.steps,
            # schnell has no input for it; the pipeline looks whether there is one.
            "guidance_scale": params.cfg_scale if isinstance(params, FluxParams) else 0.0,
            "max_sequence_length": self._read_tokens(params),
        }

    def latent_image(self, latents: Tensor, params: FluxParams | SchnellParams) -> Tensor:
        """See `DiffusersPipeline`."""
        return unpack(latents, params.width // 8, params.height // 8)

    def pack(self, latents: Tensor) -> Tensor:
        """See `DiffusersPipeline`."""
        return pack(latents)

    def clipped_tokens(self, text: str, params: FluxParams | SchnellParams) -> int:
        """See `DiffusersPipeline`. CLIP's limit of 77 only concerns the pooled summary."""
        return count_clipped(self._pipe.tokenizer_2, text, self._read_tokens(params))

    def _read_tokens(self, params: FluxParams | SchnellParams) -> int:
        return 512 if isinstance(params, FluxParams) else 256


def load(_card: ModelCard, context: LoadContext) -> FluxPipeline:
    """Load a FLUX.1 checkpoint."""
    return FluxPipeline(load_pretrained(ARCHITECTURE, context))
