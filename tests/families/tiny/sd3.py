"""Stable Diffusion 3.5: two CLIPs and T5."""

from __future__ import annotations

from diffusers import SD3Transformer2DModel, StableDiffusion3Pipeline

from tests.families.tiny import autoencoder, scheduler, text_encoder, tokenizer
from tests.families.tiny.weights import draw

CLIP_WIDTHS = (16, 24)
#: The pipeline pads the two CLIPs side by side up to T5's width.
T5_WIDTH = 48
WIDTH = 32


def pipeline(name: str) -> StableDiffusion3Pipeline:
    """The pipeline of this name."""
    transformer = SD3Transformer2DModel(
        in_channels=16,
        out_channels=16,
        num_layers=2,
        attention_head_dim=WIDTH // 2,
        num_attention_heads=2,
        joint_attention_dim=T5_WIDTH,
        caption_projection_dim=WIDTH,
        pooled_projection_dim=sum(CLIP_WIDTHS),
        # Positions for images of up to 2048 x 2048 pixels.
        pos_embed_max_size=128,
        qk_norm="rms_norm",
    )
    return StableDiffusion3Pipeline(
        scheduler=scheduler.flow(shift=3.0),
        vae=autoencoder.kl(f"{name}/vae", 16, scaling=1.5305, shift=0.0609),
        text_encoder=text_encoder.clip_projected(f"{name}/text_encoder", CLIP_WIDTHS[0]),
        tokenizer=tokenizer.clip("<|endoftext|>"),
        text_encoder_2=text_encoder.clip_projected(f"{name}/text_encoder_2", CLIP_WIDTHS[1]),
        tokenizer_2=tokenizer.clip("!"),
        text_encoder_3=text_encoder.t5(f"{name}/text_encoder_3", T5_WIDTH),
        tokenizer_3=tokenizer.t5(),
        transformer=draw(transformer, f"{name}/transformer"),
    )
