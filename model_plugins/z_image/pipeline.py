"""Loads and calls Z-Image's pipelines."""

from __future__ import annotations

from typing import Any

from darkroom import LoadContext, ModelCard
from model_plugins.z_image import ZImageParams
from model_plugins.z_image.lora import NAMES
from server.worker.architecture import Architecture
from server.worker.diffusers_pipeline import DiffusersPipeline, count_clipped
from server.worker.loading import load_pretrained

TOKENS = 512

#: What the weights are made of.
ARCHITECTURE = Architecture(
    pipeline="ZImagePipeline",
    denoiser="ZImageTransformer2DModel",
    landmarks={
        "x_embedder.weight": "all_x_embedder.2-1.weight",
        "cap_embedder.1.weight": "cap_embedder.1.weight",
        "layers.0.attention.out.weight": "layers.0.attention.to_out.0.weight",
        # Lumina 2 has all but this.
        "layers.0.adaLN_modulation.0.weight": "layers.0.adaLN_modulation.0.weight",
    },
    large_encoders=("text_encoder",),
)


class ZImagePipeline(DiffusersPipeline):
    """A loaded Z-Image model."""

    lora_names = NAMES
    image_to_image = "ZImageImg2ImgPipeline"

    def arguments(self, params: ZImageParams) -> dict[str, Any]:
        """See `DiffusersPipeline`."""
        return {
            "prompt": params.text,
            "width": params.width,
            "height": params.height,
            "num_inference_steps": params.steps,
            # Other than in all other pipelines only 0 turns guidance off.
            "guidance_scale": 0.0,
            "max_sequence_length": TOKENS,
        }

    def clipped_tokens(self, text: str, _params: ZImageParams) -> int:
        """See `DiffusersPipeline`."""
        tokenizer = self._pipe.tokenizer
        turn = [{"role": "user", "content": text}]
        whole = tokenizer.apply_chat_template(
            turn, tokenize=False, add_generation_prompt=True, enable_thinking=True
        )
        return count_clipped(tokenizer, whole, TOKENS)


def load(_card: ModelCard, context: LoadContext) -> ZImagePipeline:
    """Load a Z-Image checkpoint."""
    return ZImagePipeline(load_pretrained(ARCHITECTURE, context))
