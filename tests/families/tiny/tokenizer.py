"""Tokenizers of one token per letter, so that none needs a file."""

from __future__ import annotations

from tokenizers import pre_tokenizers
from transformers import CLIPTokenizer, Qwen2Tokenizer, T5Tokenizer

CLIP_LENGTH = 77
T5_LENGTH = 512
QWEN_LENGTH = 4096

#: As Qwen3's: without thinking, an empty thought is put in the assistant's mouth.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n"
    "{% endif %}{% endif %}"
)
QWEN_SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>")


def clip(pad: str) -> CLIPTokenizer:
    """CLIP's, with its two specials last, so that the end has the highest id as published.

    Args:
        pad: the padding token: the end of text for the first encoder, "!" for the others.
    """
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    # "!" comes first, because encoders that pad with it expect the id 0.
    tokens = [*letters, *(f"{letter}</w>" for letter in letters)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], pad_token=pad, model_max_length=CLIP_LENGTH)


def t5() -> T5Tokenizer:
    """T5's: printable ASCII, anything else is unknown."""
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces = [(piece, -3.0) for piece in ["▁", *map(chr, range(33, 127))]]
    return T5Tokenizer(vocab=special + pieces, extra_ids=0, model_max_length=T5_LENGTH)


def qwen() -> Qwen2Tokenizer:
    """Qwen's, bytes and the specials of its chat."""
    tokens = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *QWEN_SPECIAL]
    tokenizer = Qwen2Tokenizer(
        vocab={token: index for index, token in enumerate(tokens)},
        merges=[],
        pad_token="<|endoftext|>",
        eos_token="<|im_end|>",
        additional_special_tokens=list(QWEN_SPECIAL[1:]),
        model_max_length=QWEN_LENGTH,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer
