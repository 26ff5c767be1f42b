"""A tiny pipeline with two CLIP text encoders, built from configurations alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

#: Hidden sizes of the two text encoders.
WIDTHS = (32, 24)


def tokenizer(pad_token: str, merges: Sequence[tuple[str, str]] = ()) -> CLIPTokenizer:
    """A token for each letter, and one for each of `merges`."""
    letters = ["!", *(letter for letter in sorted(ByteLevel.alphabet()) if letter != "!")]
    tokens = [*letters, *(letter + "</w>" for letter in letters), *map("".join, merges)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(
        vocab={token: index for index, token in enumerate(tokens)},
        merges=list(merges),
        pad_token=pad_token,
        model_max_length=77,
    )


def text_encoder(kind: Any, width: int, tokenizer: CLIPTokenizer) -> Any:
    config = CLIPTextConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=5,
        projection_dim=32,
    )
    return kind(config).eval()


def build(merges: Sequence[tuple[str, str]] = ()) -> StableDiffusionXLPipeline:
    """A tiny pipeline; `merges` are of its second tokenizer."""
    torch.manual_seed(0)
    tokenizers = tokenizer("<|endoftext|>"), tokenizer("!", merges)
    unet = UNet2DConditionModel(
        sample_size=32,
        block_out_channels=(2, 4),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=32 + 6 * 8,
        cross_attention_dim=sum(WIDTHS),
        norm_num_groups=1,
    )
    vae = AutoencoderKL(
        block_out_channels=(4, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=2,
    )
    pipe = StableDiffusionXLPipeline(
        vae=vae.eval(),
        unet=unet.eval(),
        tokenizer=tokenizers[0],
        tokenizer_2=tokenizers[1],
        text_encoder=text_encoder(CLIPTextModel, WIDTHS[0], tokenizers[0]),
        text_encoder_2=text_encoder(CLIPTextModelWithProjection, WIDTHS[1], tokenizers[1]),
        scheduler=EulerDiscreteScheduler(beta_schedule="scaled_linear"),
        add_watermarker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe
