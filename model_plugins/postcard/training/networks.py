"""The networks of the model, untrained, and its noise schedule."""

from typing import Any, NamedTuple

import torch
from diffusers import AutoencoderTiny, EulerDiscreteScheduler, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from .encoder import set_encoder
from .latents import CHANNELS, SCALING_FACTOR, SHIFT_FACTOR
from .tokens import LENGTH

TEXT_WIDTH = 64
SIZE_IDS, SIZE_WIDTH = 6, 8


def build_text_encoders(tokenizer: Any) -> nn.ModuleList:
    """The two text encoders, in the pipeline's order; the second gives the pooled vector too."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=TEXT_WIDTH,
        intermediate_size=TEXT_WIDTH * 4,
        projection_dim=TEXT_WIDTH,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=LENGTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return nn.ModuleList([CLIPTextModel(config), CLIPTextModelWithProjection(config)])


class Encoded(NamedTuple):
    """What the UNet sees of a prompt: ``words`` [n, 40, 128] and ``pooled`` [n, 64]."""

    words: Tensor
    pooled: Tensor


def encode_text(encoders: nn.ModuleList, ids: Tensor) -> Encoded:
    """Encodes token numbers [n, 40] as ``StableDiffusionXLPipeline`` does."""
    first, second = (encoder(ids, output_hidden_states=True) for encoder in encoders)
    words = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1)
    return Encoded(words, second.text_embeds)


def build_autoencoder() -> Any:
    """The autoencoder: encoder set by hand and frozen, decoder to be learned."""
    autoencoder = AutoencoderTiny(
        encoder_block_out_channels=(12, 12, 12, 12),
        num_encoder_blocks=(0, 0, 0, 0),
        decoder_block_out_channels=(32, 32, 32, 32),
        num_decoder_blocks=(3, 2, 1, 1),
        latent_channels=CHANNELS,
        scaling_factor=SCALING_FACTOR,
        shift_factor=SHIFT_FACTOR,
    )
    set_encoder(autoencoder.encoder.layers)
    return autoencoder


def build_unet() -> Any:
    """The denoiser: two resolutions, attention only at the lower, where it is cheap."""
    unet = UNet2DConditionModel(
        sample_size=16,
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        block_out_channels=(64, 128),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=2 * TEXT_WIDTH,
        attention_head_dim=4,
        norm_num_groups=16,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=SIZE_WIDTH,
        projection_class_embeddings_input_dim=SIZE_IDS * SIZE_WIDTH + TEXT_WIDTH,
    )
    ignore_size_ids(unet)
    return unet


def ignore_size_ids(unet: Any) -> None:
    """Cuts the size and crop numbers off: any size asked for is then as good as the trained ones.

    Call it after every optimizer step too; momentum would bring them back.
    """
    with torch.no_grad():
        unet.add_embedding.linear_1.weight[:, TEXT_WIDTH:] = 0


def build_scheduler() -> Any:
    """The default sampler. The last three keys matter to samplers made from its config."""
    scheduler = EulerDiscreteScheduler(
        beta_start=1e-4,
        beta_end=0.02,
        beta_schedule="linear",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
    )
    scheduler.register_to_config(clip_sample=False, set_alpha_to_one=True, thresholding=False)
    return scheduler
