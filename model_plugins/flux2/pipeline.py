"""Loads and calls FLUX.2 klein's pipeline."""

from __future__ import annotations

from typing import Any

from PIL.Image import Image
from torch import Tensor

from darkroom import LoadContext, ModelCard
from model_plugins.flux2 import KleinParams
from model_plugins.flux2.lora import NAMES
from server.worker.architecture import Architecture
from server.worker.diffusers_pipeline import DiffusersPipeline, count_clipped
from server.worker.loading import load_pretrained

TOKENS = 512

#: What the weights are made of.
ARCHITECTURE = Architecture(
    pipeline="Flux2KleinPipeline",
    denoiser="Flux2Transformer2DModel",
    landmarks={
        "img_in.weight": "x_embedder.weight",
        "txt_in.weight": "context_embedder.weight",
        "single_stream_modulation.lin.weight": "single_stream_modulation.linear.weight",
    },
    large_encoders=("text_encoder",),
)


class KleinPipeline(DiffusersPipeline):
    """A loaded klein."""

    lora_names = NAMES

    def arguments(self, params: KleinParams) -> dict[str, Any]:
        """See `DiffusersPipeline`."""
        return {
            "prompt": params.text,
            "width": params.width,
            "height": params.height,
            "num_inference_steps": params.steps,
            "guidance_scale": 1.0,
            "max_sequence_length": TOKENS,
        }

    def image_arguments(self, params: KleinParams, images: list[Image]) -> dict[str, Any]:
        """See `DiffusersPipeline`. References keep their own size; the pipeline scales them."""
        return {"image": images}

    def latent_image(self, latents: Tensor, params: KleinParams) -> Tensor:
        """See `DiffusersPipeline`. A token is a patch of 2 × 2, as channels of channels."""
        rows, columns = params.height // 16, params.width // 16
        patches = latents[0].T.reshape(-1, 2, 2, rows, columns)
        return patches.permute(0, 3, 1, 4, 2).reshape(-1, 2 * rows, 2 * columns)

    def clipped_tokens(self, text: str, _params: KleinParams) -> int:
        """See `DiffusersPipeline`."""
        tokenizer = self._pipe.tokenizer
        turn = [{"role": "user", "content": text}]
        whole = tokenizer.apply_chat_template(
            turn, tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        return count_clipped(tokenizer, whole, TOKENS)


def load(_card: ModelCard, context: LoadContext) -> KleinPipeline:
    """Load a klein checkpoint."""
    return KleinPipeline(load_pretrained(ARCHITECTURE, context))
