"""FLUX.1: `flux-dev` with distilled guidance, `flux-schnell` without."""

from __future__ import annotations

from diffusers import FluxPipeline, FluxTransformer2DModel

from tests.families.tiny import autoencoder, scheduler, text_encoder, tokenizer
from tests.families.tiny.weights import draw

CLIP_WIDTH = 32
T5_WIDTH = 32


def pipeline(name: str) -> FluxPipeline:
    """The pipeline of this name."""
    guided = name == "flux-dev"
    transformer = FluxTransformer2DModel(
        in_channels=64,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=T5_WIDTH,
        pooled_projection_dim=CLIP_WIDTH,
        guidance_embeds=guided,
        axes_dims_rope=(4, 6, 6),
    )
    return FluxPipeline(
        scheduler=scheduler.flow_by_size() if guided else scheduler.flow(shift=1.0),
        vae=autoencoder.kl(f"{name}/vae", 16, scaling=0.3611, shift=0.1159),
        text_encoder=text_encoder.clip(f"{name}/text_encoder", CLIP_WIDTH),
        tokenizer=tokenizer.clip("<|endoftext|>"),
        text_encoder_2=text_encoder.t5(f"{name}/text_encoder_2", T5_WIDTH),
        tokenizer_2=tokenizer.t5(),
        transformer=draw(transformer, f"{name}/transformer"),
    )
