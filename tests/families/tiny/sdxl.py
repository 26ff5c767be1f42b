"""SDXL: two CLIPs of different widths, a UNet of three levels."""

from __future__ import annotations

import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel

from tests.families.tiny import autoencoder, text_encoder, tokenizer
from tests.families.tiny.weights import draw

LATENTS = 4
#: Channels of the first level: the latents, and the latents with the opposite sign.
LEVEL = 2 * LATENTS
CLIP_WIDTHS = (16, 24)
TIME_WIDTH = 8


def pipeline(name: str) -> StableDiffusionXLPipeline:
    """The pipeline of this name."""
    unet = UNet2DConditionModel(
        sample_size=128,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(LEVEL, 16, 16),
        layers_per_block=2,
        # Deeper than one, as SDXL is: its LoRAs are known by that.
        transformer_layers_per_block=(1, 2, 2),
        attention_head_dim=(1, 1, 1),
        norm_num_groups=4,
        cross_attention_dim=sum(CLIP_WIDTHS),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=TIME_WIDTH,
        # The pooled text beside six numbers: original size, crop, target size.
        projection_class_embeddings_input_dim=CLIP_WIDTHS[1] + 6 * TIME_WIDTH,
    )
    return StableDiffusionXLPipeline(
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            timestep_spacing="leading",
            steps_offset=1,
        ),
        vae=autoencoder.kl(f"{name}/vae", LATENTS, scaling=0.13025, quant=True),
        text_encoder=text_encoder.clip(f"{name}/text_encoder", CLIP_WIDTHS[0]),
        tokenizer=tokenizer.clip("<|endoftext|>"),
        text_encoder_2=text_encoder.clip_projected(f"{name}/text_encoder_2", CLIP_WIDTHS[1]),
        tokenizer_2=tokenizer.clip("!"),
        unet=_see_noise(draw(unet, f"{name}/unet")),
        add_watermarker=False,
    )


def _see_noise(unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """Lead the noisy latents around the levels to the end, where they are the noise to expect.

    A model that predicts anything else leaves all the noise of the start, 15 times the size of a
    picture's latents. Both signs are led, because silu(x) - silu(-x) = x.
    """
    both = torch.cat([torch.eye(LATENTS), -torch.eye(LATENTS)])
    shortcut = unet.up_blocks[-1].resnets[-1].conv_shortcut
    with torch.no_grad():
        unet.conv_in.weight.zero_()[:, :, 1, 1] = both
        shortcut.weight[:, LEVEL:, 0, 0] = torch.eye(LEVEL)
        unet.conv_out.weight.mul_(0.5)[:, :, 1, 1] = both.T
    return unet
