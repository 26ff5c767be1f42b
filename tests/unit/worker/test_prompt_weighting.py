"""Encoded prompts: bit for bit those of diffusers where it can, and by hand where it cannot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline
from PIL import Image

from server.errors import GenerationFailed
from server.worker.prompt_weighting import encode
from tests.unit.worker.two_encoders import WIDTHS, build

# torch's tensors do not know numpy 2's `copy` argument yet, and diffusers' schedulers convert them.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")

NAMES = (
    "prompt_embeds",
    "negative_prompt_embeds",
    "pooled_prompt_embeds",
    "negative_pooled_prompt_embeds",
)


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.fixture(scope="module")
def shared() -> StableDiffusionXLPipeline:
    """For tests that leave the pipeline as it is."""
    return build()


def encode_with_diffusers(
    pipe: Any, prompt: str, negative_prompt: str | None = None, clip_skip: int | None = None
) -> dict[str, torch.Tensor]:
    tensors = pipe.encode_prompt(prompt, negative_prompt=negative_prompt, clip_skip=clip_skip)
    return dict(zip(NAMES, tensors, strict=True))


def assert_equal(got: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    """The same bits in the same types."""
    assert got.keys() == expected.keys()
    for name, tensor in expected.items():
        assert got[name].dtype == tensor.dtype
        assert torch.equal(got[name], tensor), name


def image(pipe: Any, **arguments: Any) -> bytes:
    pixels: Image.Image = pipe(
        **arguments,
        num_inference_steps=2,
        guidance_scale=5.0,
        generator=torch.Generator().manual_seed(1),
    ).images[0]
    return pixels.tobytes()


# Plain prompts.

LONGEST = "x " * 75


@pytest.mark.parametrize("clip_skip", [None, 1, 2])
@pytest.mark.parametrize("negative", [None, "", "a dog", LONGEST])
@pytest.mark.parametrize("prompt", ["", "  A cat,\nit's 12:30! ", LONGEST])
def test_a_plain_prompt_is_encoded_as_by_diffusers(
    shared: Any, prompt: str, negative: str | None, clip_skip: int | None
) -> None:
    assert_equal(
        encode(shared, prompt, negative, clip_skip),
        encode_with_diffusers(shared, prompt, negative, clip_skip),
    )


def test_more_layers_than_there_are_cannot_be_left_out(shared: Any) -> None:
    layers = min(
        encoder.config.num_hidden_layers for encoder in (shared.text_encoder, shared.text_encoder_2)
    )
    encode(shared, "a cat", clip_skip=layers - 1)
    with pytest.raises(GenerationFailed, match=f"has {layers} layers: at most {layers - 1}"):
        encode(shared, "a cat", clip_skip=layers)


@pytest.mark.parametrize(
    ("negative", "clip_skip"), [(None, None), ("", None), ("a dog", None), (None, 1), ("a dog", 2)]
)
def test_the_image_of_a_plain_prompt_is_that_of_diffusers(
    shared: Any, negative: str | None, clip_skip: int | None
) -> None:
    plain = image(
        shared,
        prompt="a cat",
        negative_prompt=negative,
        clip_skip=clip_skip,
        height=32,
        width=32,
    )
    ours = encode(shared, "a cat", negative, clip_skip)

    assert image(shared, **ours, height=32, width=32) == plain
    other = encode(shared, "two cats", negative, clip_skip)
    assert image(shared, **other, height=32, width=32) != plain


def test_the_image_made_from_an_image_is_that_of_diffusers(shared: Any) -> None:
    pipe = StableDiffusionXLImg2ImgPipeline(**shared.components)
    pipe.set_progress_bar_config(disable=True)
    start = Image.linear_gradient("L").convert("RGB").resize((32, 32))
    plain = image(pipe, prompt="a cat", negative_prompt="a dog", image=start, strength=0.9)

    assert image(pipe, **encode(pipe, "a cat", "a dog"), image=start, strength=0.9) == plain


def test_no_negative_prompt_is_zeros_only_where_the_pipeline_says_so() -> None:
    pipe = build()
    assert not encode(pipe, "a cat")["negative_prompt_embeds"].any()

    pipe.register_to_config(force_zeros_for_empty_prompt=False)

    assert encode(pipe, "a cat")["negative_prompt_embeds"].any()
    assert_equal(encode(pipe, "a cat"), encode_with_diffusers(pipe, "a cat"))


@pytest.mark.parametrize(
    "types", [(torch.bfloat16, torch.bfloat16), (torch.float32, torch.bfloat16)]
)
def test_types_are_those_of_diffusers(types: tuple[torch.dtype, torch.dtype]) -> None:
    pipe = build()
    pipe.text_encoder.to(types[0])
    pipe.text_encoder_2.to(types[1])

    for negative in (None, "a dog"):
        assert_equal(
            encode(pipe, "a cat", negative), encode_with_diffusers(pipe, "a cat", negative)
        )
    assert encode(pipe, "a (cat:1.3)")["prompt_embeds"].dtype == torch.bfloat16


# By hand: ids, weights, chunks.

#: What one chunk of 77 places holds for one encoder: texts and weights; padding follows.
Pieces = Sequence[tuple[str, float]]


def by_hand(
    pipe: Any, encoder: int, pieces: Pieces, *, layer: int = -2, restored: bool = True
) -> torch.Tensor:
    """The hidden states of one chunk for one encoder (0 or 1), shaped (77, width)."""
    tokenizer = (pipe.tokenizer, pipe.tokenizer_2)[encoder]
    model = (pipe.text_encoder, pipe.text_encoder_2)[encoder]
    ids, weights = [tokenizer.bos_token_id], [1.0]
    for text, weight in pieces:
        tokens = tokenizer(text).input_ids[1:-1]
        ids += tokens
        weights += [weight] * len(tokens)
    ids.append(tokenizer.eos_token_id)
    pad = tokenizer.eos_token_id if encoder == 0 else 0
    ids += [pad] * (77 - len(ids))
    weights += [1.0] * (77 - len(weights))
    hidden = model(torch.tensor([ids]), output_hidden_states=True).hidden_states[layer][0]
    changed = torch.stack([row * weight for row, weight in zip(hidden, weights, strict=True)])
    return changed * (hidden.mean() / changed.mean()) if restored else changed


def side_by_side(pipe: Any, *chunks: Pieces, **options: Any) -> torch.Tensor:
    """All chunks for both encoders, shaped (1, 77 · chunks, width of both)."""
    columns = [
        torch.cat([by_hand(pipe, encoder, chunk, **options) for chunk in chunks])
        for encoder in (0, 1)
    ]
    return torch.cat(columns, dim=1)[None]


def pooled(pipe: Any, text: str) -> torch.Tensor:
    return encode_with_diffusers(pipe, text)["pooled_prompt_embeds"]


def lift(pipe: Any, levels: Sequence[Sequence[float]]) -> None:
    """Add `levels[encoder][place]` to all hidden states at that place.

    The layers do not see it (they normalise), so means become what a test needs.
    """
    models = pipe.text_encoder, pipe.text_encoder_2.text_model
    for model, level in zip(models, levels, strict=True):
        model.embeddings.position_embedding.weight += torch.tensor(level)[:, None]


LEVEL = [50.0] * 77


@pytest.fixture(scope="module")
def lifted() -> StableDiffusionXLPipeline:
    """Hidden states whose means are far from 0, and can be restored."""
    pipe = build()
    with torch.no_grad():
        lift(pipe, [LEVEL, LEVEL])
    return pipe


def assert_close(got: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("prompt", "pieces"),
    [
        ("a (cat) sat", [("a", 1), ("cat", 1.1), ("sat", 1)]),
        ("a [cat] sat", [("a", 1), ("cat", 1 / 1.1), ("sat", 1)]),
        ("((red:1.3) cat) (:", [("red", 1.43), ("cat", 1.1), (":", 1.1)]),
        ("a(b:0)c", [("a", 1), ("b", 0), ("c", 1)]),
        (r"(\(cat\):0.5)", [("(cat)", 0.5)]),
    ],
)
@pytest.mark.parametrize("clip_skip", [None, 1])
def test_weights_multiply_hidden_states_and_keep_their_mean(
    lifted: Any, prompt: str, pieces: Pieces, clip_skip: int | None
) -> None:
    text = " ".join(text for text, _ in pieces)
    got = encode(lifted, prompt, prompt, clip_skip)

    positive = side_by_side(lifted, pieces, layer=-2 - (clip_skip or 0))
    assert_close(got["prompt_embeds"], positive)
    assert_close(got["negative_prompt_embeds"], side_by_side(lifted, pieces))
    # No weight reaches the pooled vector.
    assert torch.equal(got["pooled_prompt_embeds"], pooled(lifted, text))
    assert torch.equal(got["negative_pooled_prompt_embeds"], pooled(lifted, text))
    plain = [(text, 1.0) for text, _ in pieces]
    assert not torch.allclose(positive, side_by_side(lifted, plain, layer=-2 - (clip_skip or 0)))


@pytest.mark.parametrize(
    ("weight", "inside", "outside"),
    [
        (3.0, 1.0, -2.5),  # The mean would turn its sign.
        (1.25, -1.0, 3.9),  # It would shrink to a sixth.
        (0.5, 1.0, -1.55),  # Ditto, with a weight below 1.
    ],
)
def test_a_mean_near_zero_is_left_alone(weight: float, inside: float, outside: float) -> None:
    """In the encoder that has one; `inside` and `outside` are what the places of the three weighted
    letters, and all others together, add to the sum of hidden states."""
    pipe = build()
    level = [100 * (inside if 1 <= place <= 3 else outside / 74) for place in range(77)]
    lift(pipe, [LEVEL, level])

    got = encode(pipe, f"(cat:{weight})")["prompt_embeds"][0]

    pieces = [("cat", weight)]
    assert_close(got[:, : WIDTHS[0]], by_hand(pipe, 0, pieces))
    assert_close(got[:, WIDTHS[0] :], by_hand(pipe, 1, pieces, restored=False))


def test_hidden_states_of_zeros_stay_zeros() -> None:
    pipe = build()
    for parameter in pipe.text_encoder.parameters():
        parameter.zero_()

    assert not encode(pipe, "a (cat:1.3)")["prompt_embeds"][..., : WIDTHS[0]].any()


def test_weights_of_one_change_no_bit(shared: Any) -> None:
    assert_equal(encode(shared, "a ([cat]:1.1)(, dog:1)"), encode(shared, "a cat, dog"))


# Many chunks.


def test_a_long_prompt_is_cut_into_chunks(shared: Any) -> None:
    letters = [chr(ord("a") + index % 26) for index in range(160)]
    got = encode(shared, " ".join(letters), "a dog", clip_skip=1)

    cut = [" ".join(letters[start : start + 75]) for start in (0, 75, 150)]
    chunks = [encode_with_diffusers(shared, text, clip_skip=1)["prompt_embeds"] for text in cut]
    assert torch.equal(got["prompt_embeds"], torch.cat(chunks, dim=1))
    assert torch.equal(got["pooled_prompt_embeds"], pooled(shared, cut[0]))
    # The negative has empty chunks after its own, and no skipped layers.
    negative = [encode_with_diffusers(shared, text)["prompt_embeds"] for text in ("a dog", "", "")]
    assert torch.equal(got["negative_prompt_embeds"], torch.cat(negative, dim=1))
    assert torch.equal(got["negative_pooled_prompt_embeds"], pooled(shared, "a dog"))
    assert image(shared, **got, height=32, width=32)


def test_a_longer_negative_lengthens_the_prompt(shared: Any) -> None:
    got = encode(shared, "a cat", "x " * 76, clip_skip=1)

    cat, empty = (
        encode_with_diffusers(shared, text, clip_skip=1)["prompt_embeds"] for text in ("a cat", "")
    )
    assert torch.equal(got["prompt_embeds"], torch.cat([cat, empty], dim=1))
    full, rest = (encode_with_diffusers(shared, text)["prompt_embeds"] for text in (LONGEST, "x"))
    assert torch.equal(got["negative_prompt_embeds"], torch.cat([full, rest], dim=1))
    assert image(shared, **got, height=32, width=32)


def test_zeros_are_as_long_as_the_prompt(shared: Any) -> None:
    got = encode(shared, "x " * 76)

    assert got["negative_prompt_embeds"].shape == got["prompt_embeds"].shape == (1, 154, 56)
    assert not got["negative_prompt_embeds"].any()


def test_break_begins_a_chunk(lifted: Any) -> None:
    got = encode(lifted, "a cat BREAK (two dogs:1.3) BREAK", "x")

    chunks: list[Pieces] = [[("a cat", 1)], [("two dogs", 1.3)], []]
    assert_close(got["prompt_embeds"], side_by_side(lifted, *chunks))
    assert_close(got["negative_prompt_embeds"], side_by_side(lifted, [("x", 1)], [], []))
    assert torch.equal(got["pooled_prompt_embeds"], pooled(lifted, "a cat"))


def test_each_chunk_keeps_its_own_mean(lifted: Any) -> None:
    got = encode(lifted, "(" + "x " * 80 + ":1.3) a")["prompt_embeds"]

    chunks: list[Pieces] = [[("x " * 75, 1.3)], [("x " * 5, 1.3), ("a", 1)]]
    assert_close(got, side_by_side(lifted, *chunks))


def test_tokenizers_may_disagree_about_lengths() -> None:
    """A word of two letters is one token for the second encoder."""
    pipe = build(merges=[("a", "b</w>")])
    got = encode(pipe, "c " + "ab " * 40 + "BREAK d")["prompt_embeds"][0]

    first = ["c " + "ab " * 37, "ab " * 3, "d"]
    second = ["c " + "ab " * 40, "", "d"]
    columns = [
        torch.cat([by_hand(pipe, encoder, [(text, 1)], restored=False) for text in texts])
        for encoder, texts in enumerate([first, second])
    ]
    assert torch.equal(got, torch.cat(columns, dim=1))
