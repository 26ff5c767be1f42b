"""Trigger words as the text encoders see them: weight 1 is plain words, 0 is none, 0.5 is half."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionXLPipeline

from server.trigger_words import Trigger, extended, lacking
from server.worker.prompt_weighting import encode
from tests.unit.worker.two_encoders import WIDTHS, build

PROMPT = "a cat on a (red:1.2) roof"
WORDS = ("ink style", "rem (re:zero)")

#: The number of the first token of a phrase in its chunk: each letter is a token.
FIRST = 1 + len("acatonaredroof,")


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.fixture(scope="module")
def pipe() -> StableDiffusionXLPipeline:
    return build()


def encoded(pipe: Any, prompt: str, weight: float) -> dict[str, torch.Tensor]:
    """The prompt with the trigger words at this weight."""
    triggers = lacking([Trigger(word, weight) for word in WORDS], prompt)
    return encode(pipe, extended(prompt, triggers, weighted=True))


def test_at_weight_one_they_are_plain_words(pipe: Any) -> None:
    got = encoded(pipe, "a cat", 1.0)
    plain = pipe.encode_prompt("a cat, ink style, rem (re:zero)")
    assert torch.equal(got["prompt_embeds"], plain[0])
    assert torch.equal(got["pooled_prompt_embeds"], plain[2])
    weighted = encoded(pipe, PROMPT, 1.0)["prompt_embeds"]
    written = encode(pipe, rf"{PROMPT}, ink style, rem \(re:zero\)")["prompt_embeds"]
    assert torch.equal(weighted, written)


def test_at_weight_zero_they_are_not_there(pipe: Any) -> None:
    got, without = encoded(pipe, PROMPT, 0.0), encode(pipe, PROMPT)
    assert got.keys() == without.keys()
    assert all(torch.equal(got[name], without[name]) for name in without)
    assert torch.equal(encoded(pipe, "a cat", 0.0)["prompt_embeds"], pipe.encode_prompt("a cat")[0])


@pytest.mark.parametrize("weight", [0.5, 1.5])
def test_at_other_weights_their_hidden_states_are_multiplied(weight: float) -> None:
    pipe = build()
    # Means far from 0, which are restored.
    for encoder in (pipe.text_encoder, pipe.text_encoder_2.text_model):
        encoder.embeddings.position_embedding.weight += 50.0
    got = encoded(pipe, "a cat on a red roof", weight)["prompt_embeds"][0]

    plain = pipe.encode_prompt("a cat on a red roof, ink style, rem (re:zero)")[0][0]
    expected = []
    for hidden in plain.split(WIDTHS, dim=1):
        changed = hidden.clone()
        phrases = [range(FIRST, FIRST + 8), range(FIRST + 9, FIRST + 9 + len("rem(re:zero)"))]
        for place in (place for phrase in phrases for place in phrase):
            changed[place] *= weight
        expected.append(changed * (hidden.mean() / changed.mean()))
    torch.testing.assert_close(got, torch.cat(expected, dim=1), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(got, plain, rtol=1e-3, atol=1e-3)


def test_a_phrase_that_the_prompt_has_is_encoded_once(pipe: Any) -> None:
    prompt = r"an Ink_Style cat, (rem \(re:zero\):1.3)"
    assert torch.equal(
        encoded(pipe, prompt, 0.5)["prompt_embeds"], encode(pipe, prompt)["prompt_embeds"]
    )


def test_phrases_that_would_part_the_prompt_stay_in_its_chunk(pipe: Any) -> None:
    harmless = extended("a cat", [Trigger("x BREAK y", 0.5)], weighted=True)
    assert encode(pipe, harmless)["prompt_embeds"].shape[1] == 77
    assert encode(pipe, "a cat, (x BREAK y:0.5)")["prompt_embeds"].shape[1] == 154


def test_an_open_bracket_in_the_prompt_does_not_reach_them(pipe: Any) -> None:
    got = encode(pipe, extended("a (cat", [Trigger("ink", 1.0)], weighted=True))
    written = encode(pipe, "a (cat,) ink")
    assert torch.equal(got["prompt_embeds"], written["prompt_embeds"])
    reached = encode(pipe, "a (cat, ink")
    assert not torch.allclose(got["prompt_embeds"], reached["prompt_embeds"])
