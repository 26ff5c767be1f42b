"""FLUX.2 klein: latents normalised by the VAE's statistics, three layers of Qwen3."""

from __future__ import annotations

from diffusers import Flux2KleinPipeline, Flux2Transformer2DModel
from transformers import Qwen3ForCausalLM

from tests.families.tiny import autoencoder, scheduler, text_encoder, tokenizer
from tests.families.tiny.weights import SHARP, draw

QWEN_WIDTH = 16
#: The pipeline takes the hidden states 9, 18 and 27.
QWEN_LAYERS = 28


def pipeline(name: str) -> Flux2KleinPipeline:
    """The pipeline of this name."""
    transformer = Flux2Transformer2DModel(
        in_channels=128,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=3 * QWEN_WIDTH,
        timestep_guidance_channels=32,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=False,
    )
    encoder = text_encoder.qwen(
        Qwen3ForCausalLM, f"{name}/text_encoder", QWEN_WIDTH, layers=QWEN_LAYERS
    )
    return Flux2KleinPipeline(
        scheduler=scheduler.flow_by_size(),
        vae=autoencoder.kl_flux2(f"{name}/vae"),
        text_encoder=encoder,
        tokenizer=tokenizer.qwen(),
        transformer=draw(transformer, f"{name}/transformer", SHARP),
        is_distilled=True,
    )
