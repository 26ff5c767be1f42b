"""Weighted prompts of any length, for a diffusers pipeline with two CLIP text encoders.

The rules are those of AUTOMATIC1111's web UI with its emphasis "Original"; `prompt_syntax` has the
syntax. A plain prompt that fits CLIP gives the very tensors of the pipeline's `encode_prompt`.

A prompt is cut into chunks of 75 tokens, which CLIP sees one by one. A weight multiplies the
hidden state of each of its tokens, in both encoders; then the mean of the chunk is restored. That
mean can be near 0, and then a single word may turn its sign or make it vanish, so it is left alone
where restoring it takes a factor that is not finite, or not positive, or further from 1 than the
chunk's strongest weight (a weight below 1/10 counts as 1/10).

Different on purpose: chunks end where they are full, without looking back for a comma, and `BREAK`
starts a chunk even at the very end of a prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, TypeAlias

import torch
from diffusers.utils.torch_utils import get_module_execution_device

from server.errors import GenerationFailed
from server.worker.prompt_syntax import MAX_WEIGHT, Piece, parse_prompt

#: Ids of tokens, at most 75, and the weight of each.
Chunk: TypeAlias = Sequence[tuple[int, float]]


@torch.no_grad()
def encode(
    pipe: Any, prompt: str, negative_prompt: str | None = None, clip_skip: int | None = None
) -> dict[str, torch.Tensor]:
    """The arguments that stand for the prompts in the call of `pipe`.

    Args:
        pipe: a diffusers pipeline with `tokenizer`, `tokenizer_2`, `text_encoder` and
            `text_encoder_2`, all of CLIP.
        prompt: what to show, in the syntax of `prompt_syntax`.
        negative_prompt: what to avoid, in the same syntax. None gives zeros where the pipeline's
            configuration says so, else the same as an empty text. Give None where the guidance is
            off: a negative prompt of more chunks lengthens the positive one too.
        clip_skip: how many layers before the penultimate one the hidden states of `prompt` come
            from; as in diffusers, those of `negative_prompt` are always the penultimate ones.

    Returns:
        `prompt_embeds` and `negative_prompt_embeds`, each (1, 77 · chunks, width of both encoders),
        the shorter prompt padded with empty chunks; `pooled_prompt_embeds` and
        `negative_pooled_prompt_embeds`, each (1, width), from the first chunk and never weighted.

    Raises:
        GenerationFailed: `clip_skip` leaves out more layers than an encoder has.
    """
    encoders = (
        _TextEncoder(pipe.tokenizer, pipe.text_encoder),
        _TextEncoder(pipe.tokenizer_2, pipe.text_encoder_2),
    )
    zeros = negative_prompt is None and pipe.config.force_zeros_for_empty_prompt
    positive = _chunks(encoders, prompt)
    negative = _chunks(encoders, "" if zeros else negative_prompt or "")
    length = max(len(positive), len(negative))
    embeds, pooled = _embed(encoders, _padded(positive, length), clip_skip or 0)
    if zeros:
        negative_embeds, negative_pooled = torch.zeros_like(embeds), torch.zeros_like(pooled)
    else:
        negative_embeds, negative_pooled = _embed(encoders, _padded(negative, length), 0)
    return {
        "prompt_embeds": embeds,
        "negative_prompt_embeds": negative_embeds,
        "pooled_prompt_embeds": pooled,
        "negative_pooled_prompt_embeds": negative_pooled,
    }


@dataclass(frozen=True)
class _TextEncoder:
    tokenizer: Any
    model: Any

    def chunks(self, segment: Sequence[Piece]) -> list[Chunk]:
        """One chunk or more; of an empty text an empty one."""
        tokens = [
            (token, piece.weight)
            for piece in segment
            for token in self.tokenizer(
                piece.text, add_special_tokens=False, verbose=False
            ).input_ids
        ]
        size = self.tokenizer.model_max_length - 2
        return [tokens[start : start + size] for start in range(0, max(len(tokens), 1), size)]

    def __call__(self, chunk: Chunk, clip_skip: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The weighted hidden states (1, 77, width), and the first output of the model."""
        tokenizer = self.tokenizer
        ids = [tokenizer.bos_token_id, *(token for token, _ in chunk), tokenizer.eos_token_id]
        # The two tokenizers pad with different tokens, and CLIP sees those as well.
        padding = [tokenizer.pad_token_id] * (tokenizer.model_max_length - len(ids))
        device = get_module_execution_device(self.model)
        # One chunk at a time: in a batch the last bits would differ.
        output = self.model(torch.tensor([ids + padding], device=device), output_hidden_states=True)
        weights = [1.0, *(weight for _, weight in chunk), 1.0, *(1.0 for _ in padding)]
        # The first of them is what goes into the first layer.
        layers = len(output.hidden_states) - 1
        if clip_skip >= layers:
            raise GenerationFailed(
                f"`clip_skip` is {clip_skip}, but a text encoder of this model has {layers} "
                f"layers: at most {layers - 1} can be left out."
            )
        return _weighted(output.hidden_states[-(clip_skip + 2)], weights), output[0]


def _chunks(encoders: Sequence[_TextEncoder], prompt: str) -> list[tuple[Chunk, ...]]:
    """The chunks of a prompt, each once for every encoder.

    Tokenizers may disagree about the length of a text; segments begin together nevertheless.
    """
    return [
        chunks
        for segment in parse_prompt(prompt)
        for chunks in zip_longest(*(encoder.chunks(segment) for encoder in encoders), fillvalue=())
    ]


def _padded(chunks: list[tuple[Chunk, ...]], length: int) -> list[tuple[Chunk, ...]]:
    return chunks + [tuple(() for _ in chunks[0])] * (length - len(chunks))


def _embed(
    encoders: Sequence[_TextEncoder], chunks: Sequence[tuple[Chunk, ...]], clip_skip: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The hidden states of both encoders side by side, and the pooled vector."""
    # All chunks through one encoder before the next one: each may have to move to the device.
    outputs = [
        [encoder(chunk, clip_skip) for chunk in column]
        for encoder, column in zip(encoders, zip(*chunks, strict=True), strict=True)
    ]
    states = [torch.cat([hidden for hidden, _ in output], dim=1) for output in outputs]
    # An encoder without a projection has hidden states for its first output.
    pooled = next(output[0][1] for output in outputs if output[0][1].ndim == 2)
    return torch.cat(states, dim=-1).to(encoders[-1].model.dtype), pooled


def _weighted(hidden: torch.Tensor, weights: Sequence[float]) -> torch.Tensor:
    """Hidden states (1, tokens, width), each times the weight of its token, with their old mean."""
    if all(weight == 1 for weight in weights):
        return hidden
    # In half precision the mean of a chunk may overflow.
    before = hidden.float()
    after = before * torch.tensor(weights, device=hidden.device)[None, :, None]
    factor = _restoring_factor(before.mean().item(), after.mean().item(), weights)
    return (after * factor).to(hidden.dtype)


def _restoring_factor(before: float, after: float, weights: Sequence[float]) -> float:
    """What turns the mean `after` into `before`, or 1 (the module says when)."""
    magnitudes = [max(abs(weight), 1 / MAX_WEIGHT) for weight in weights]
    strongest = max(max(magnitude, 1 / magnitude) for magnitude in magnitudes)
    factor = before / after if after else float("inf")
    return factor if 1 / strongest <= factor <= strongest else 1.0
