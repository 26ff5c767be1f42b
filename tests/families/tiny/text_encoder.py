"""Text encoders whose every letter matters."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    PretrainedConfig,
    Qwen3Config,
    T5Config,
    T5EncoderModel,
)

from tests.families.tiny import tokenizer
from tests.families.tiny.weights import SHARP, draw

Model = TypeVar("Model", bound=nn.Module)

HEADS = 2


def clip(name: str, width: int) -> CLIPTextModel:
    """CLIP's first encoder; its pooled vector has `width` elements."""
    return draw(CLIPTextModel(_clip_config(width, "quick_gelu")), name)


def clip_projected(name: str, width: int) -> CLIPTextModelWithProjection:
    """CLIP's encoder with a projection, from `width` to `width`."""
    return draw(CLIPTextModelWithProjection(_clip_config(width, "gelu")), name)


def t5(name: str, width: int) -> T5EncoderModel:
    """T5's encoder."""
    config = T5Config(
        vocab_size=len(tokenizer.t5()),
        d_model=width,
        d_kv=width // HEADS,
        d_ff=2 * width,
        num_layers=3,
        num_heads=HEADS,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
    )
    return _silent_padding(draw(T5EncoderModel(config), name), config)


def qwen(model_class: type[Model], name: str, width: int, layers: int) -> Model:
    """Qwen3, with or without its head.

    Args:
        model_class: `Qwen3Model` or `Qwen3ForCausalLM`.
    """
    tokens = tokenizer.qwen()
    config = Qwen3Config(
        vocab_size=len(tokens),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=layers,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS // 2,
        head_dim=width // HEADS,
        max_position_embeddings=tokenizer.QWEN_LENGTH,
        tie_word_embeddings=True,
        pad_token_id=tokens.pad_token_id,
        bos_token_id=tokens.pad_token_id,
        eos_token_id=tokens.eos_token_id,
    )
    model: Model = _silent_padding(draw(model_class(config), name, SHARP), config)
    return model


def _clip_config(width: int, activation: str) -> CLIPTextConfig:
    tokens = tokenizer.clip("<|endoftext|>")
    return CLIPTextConfig(
        vocab_size=len(tokens),
        hidden_size=width,
        projection_dim=width,
        intermediate_size=2 * width,
        num_hidden_layers=4,
        num_attention_heads=HEADS,
        hidden_act=activation,
        max_position_embeddings=tokenizer.CLIP_LENGTH,
        bos_token_id=tokens.bos_token_id,
        # The pooled vector is the one at this token.
        eos_token_id=tokens.eos_token_id,
        pad_token_id=tokens.eos_token_id,
    )


def _silent_padding(model: Any, config: PretrainedConfig) -> Any:
    """Hundreds of padding tokens would drown a short prompt; silent ones echo its letters."""
    with torch.no_grad():
        model.get_input_embeddings().weight[config.pad_token_id] = 0
    return model
