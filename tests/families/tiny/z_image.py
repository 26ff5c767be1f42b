"""Z-Image: unpacked latents, Qwen3's hidden states."""

from __future__ import annotations

from diffusers import ZImagePipeline, ZImageTransformer2DModel
from transformers import Qwen3Model

from tests.families.tiny import autoencoder, scheduler, text_encoder, tokenizer
from tests.families.tiny.weights import SHARP, draw

QWEN_WIDTH = 32


def pipeline(name: str) -> ZImagePipeline:
    """The pipeline of this name."""
    transformer = ZImageTransformer2DModel(
        in_channels=16,
        dim=32,
        n_layers=2,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=QWEN_WIDTH,
        axes_dims=[4, 6, 6],
    )
    return ZImagePipeline(
        scheduler=scheduler.flow(shift=3.0),
        vae=autoencoder.kl(f"{name}/vae", 16, scaling=0.3611, shift=0.1159),
        text_encoder=text_encoder.qwen(Qwen3Model, f"{name}/text_encoder", QWEN_WIDTH, layers=3),
        tokenizer=tokenizer.qwen(),
        transformer=draw(transformer, f"{name}/transformer", SHARP),
    )
