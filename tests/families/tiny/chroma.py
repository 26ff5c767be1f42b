"""Chroma: FLUX.1's latents, T5 alone, real guidance."""

from __future__ import annotations

import warnings

from diffusers import ChromaPipeline, ChromaTransformer2DModel

from tests.families.tiny import autoencoder, scheduler, text_encoder, tokenizer
from tests.families.tiny.weights import draw

T5_WIDTH = 32
#: What the approximator says moves every layer, so it speaks softly.
GAINS = {"distilled_guidance_layer.out_proj": 0.5}


def pipeline(name: str) -> ChromaPipeline:
    """The pipeline of this name."""
    return ChromaPipeline(
        scheduler=scheduler.flow(shift=3.0),
        vae=autoencoder.kl(f"{name}/vae", 16, scaling=0.3611, shift=0.1159),
        text_encoder=text_encoder.t5(f"{name}/text_encoder", T5_WIDTH),
        tokenizer=tokenizer.t5(),
        transformer=draw(_transformer(), f"{name}/transformer", GAINS),
    )


def _transformer() -> ChromaTransformer2DModel:
    with warnings.catch_warnings():
        # The model of diffusers 0.42 uses a part that the same release deprecates.
        warnings.filterwarnings("ignore", "`FluxPosEmbed` is deprecated", FutureWarning)
        return ChromaTransformer2DModel(
            in_channels=64,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=32,
            num_attention_heads=1,
            joint_attention_dim=T5_WIDTH,
            axes_dims_rope=(8, 12, 12),
            approximator_num_channels=64,
            approximator_hidden_dim=32,
            approximator_layers=1,
        )
