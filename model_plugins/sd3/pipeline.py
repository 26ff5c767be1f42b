"""Loads and calls Stable Diffusion 3.5's pipelines."""

from __future__ import annotations

from typing import Any

from darkroom import LoadContext, ModelCard
from model_plugins.sd3 import SD3Params, TurboParams
from model_plugins.sd3.lora import NAMES
from server.worker.architecture import Architecture
from server.worker.diffusers_pipeline import DiffusersPipeline, count_clipped
from server.worker.loading import load_pretrained

#: Of T5; beyond it the edges of images show faults (model card of Medium).
TOKENS = 256

#: What the weights are made of.
ARCHITECTURE = Architecture(
    pipeline="StableDiffusion3Pipeline",
    denoiser="SD3Transformer2DModel",
    landmarks={
        "x_embedder.proj.weight": "pos_embed.proj.weight",
        "context_embedder.weight": "context_embedder.weight",
        "joint_blocks.0.x_block.attn.proj.weight": "transformer_blocks.0.attn.to_out.0.weight",
    },
    large_encoders=("text_encoder_3",),
)


class SD3Pipeline(DiffusersPipeline):
    """A loaded Stable Diffusion 3.5."""

    lora_names = NAMES
    image_to_image = "StableDiffusion3Img2ImgPipeline"

    def arguments(self, params: TurboParams) -> dict[str, Any]:
        """See `DiffusersPipeline`."""
        guided: dict[str, Any] = {"guidance_scale": 0.0}
        if isinstance(params, SD3Params):
            guided = {
                "guidance_scale": params.cfg_scale,
                "negative_prompt": params.negative_prompt,
            }
        return {
            "prompt": params.text,
            "width": params.width,
            "height": params.height,
            "num_inference_steps": params.steps,
            "max_sequence_length": TOKENS,
            **guided,
        }

    def clipped_tokens(self, text: str, _params: TurboParams) -> int:
        """See `DiffusersPipeline`. Without T5 it is CLIP that reads the prompt."""
        if self._pipe.tokenizer_3 is None:
            return count_clipped(self._pipe.tokenizer, text, 77)
        return count_clipped(self._pipe.tokenizer_3, text, TOKENS)


def load(_card: ModelCard, context: LoadContext) -> SD3Pipeline:
    """Load a Stable Diffusion 3.5 checkpoint."""
    return SD3Pipeline(load_pretrained(ARCHITECTURE, context))
