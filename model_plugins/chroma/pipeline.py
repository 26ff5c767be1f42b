"""Loads and calls Chroma's pipelines."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from darkroom import LoadContext, ModelCard
from model_plugins.chroma import ChromaParams
from server.worker.architecture import Architecture
from server.worker.diffusers_pipeline import (
    DiffusersPipeline,
    count_clipped,
    pack,
    unpack,
)
from server.worker.loading import load_pretrained

TOKENS = 512

#: What the weights are made of.
ARCHITECTURE = Architecture(
    pipeline="ChromaPipeline",
    denoiser="ChromaTransformer2DModel",
    landmarks={
        "img_in.weight": "x_embedder.weight",
        "txt_in.weight": "context_embedder.weight",
        "distilled_guidance_layer.norms.0.scale": "distilled_guidance_layer.norms.0.weight",
    },
    large_encoders=("text_encoder",),
)


class ChromaPipeline(DiffusersPipeline):
    """A loaded Chroma model."""

    image_to_image = "ChromaImg2ImgPipeline"

    def arguments(self, params: ChromaParams) -> dict[str, Any]:
        """See `DiffusersPipeline`."""
        return {
            "prompt": params.prompt,
            "negative_prompt": params.negative_prompt,
            "width": params.width,
            "height": params.height,
            "num_inference_steps": params.steps,
            "guidance_scale": params.cfg_scale,
            "max_sequence_length": TOKENS,
        }

    def latent_image(self, latents: Tensor, params: ChromaParams) -> Tensor:
        """See `DiffusersPipeline`."""
        return unpack(latents, params.width // 8, params.height // 8)

    def pack(self, latents: Tensor) -> Tensor:
        """See `DiffusersPipeline`."""
        return pack(latents)

    def clipped_tokens(self, text: str, _params: ChromaParams) -> int:
        """See `DiffusersPipeline`."""
        return count_clipped(self._pipe.tokenizer, text, TOKENS)


def load(_card: ModelCard, context: LoadContext) -> ChromaPipeline:
    """Load a Chroma checkpoint."""
    return ChromaPipeline(load_pretrained(ARCHITECTURE, context))
