"""The two styles of the embedded model: how they are drawn and judged, and what their files do."""

import hashlib
import json
import random
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from torch import nn

from model_plugins.postcard.training.captions import describe
from model_plugins.postcard.training.cli import LORAS, WEIGHTS
from model_plugins.postcard.training.drawing import Picture, draw
from model_plugins.postcard.training.evaluate_lora import (
    LoraReport,
    Way,
    evaluate_lora,
    load_style,
    paint_styled,
)
from model_plugins.postcard.training.examine import read_asked
from model_plugins.postcard.training.export import load_pipeline
from model_plugins.postcard.training.judge_style import shape_of
from model_plugins.postcard.training.networks import encode_text
from model_plugins.postcard.training.painting import Painter, Sampling
from model_plugins.postcard.training.scenes import (
    FlatScene,
    Landscape,
    Scene,
    make_thing,
    sample_scene,
)
from model_plugins.postcard.training.styles import STYLES, Style, chroma, darkness, glow
from model_plugins.postcard.training.tokens import build_tokenizer, token_ids
from model_plugins.postcard.training.train_lora import StyledBatches
from model_plugins.postcard.training.wordings import with_word
from tests.docs.pages import DOCS, ROOT, blocks

pytestmark = [
    # torch's tensors do not know numpy 2's `copy` argument yet, and diffusers converts them.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy"),
    # peft warns of a second adapter; to have two at hand is what diffusers offers.
    pytest.mark.filterwarnings("ignore:Already found a `peft_config`"),
]

EVERY_STYLE = pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)


def styled(style: Style, scene: Scene) -> Picture:
    return np.asarray(style.draw(scene, 128, 128))


def flat(colour: str, shape: str, ground: str) -> FlatScene:
    return FlatScene(ground, (make_thing(random.Random(1), shape, colour, "big", "middle"),))


def scenes(count: int) -> list[Scene]:
    rng = random.Random(11)
    return [sample_scene(rng) for _ in range(count)]


def single_things(count: int) -> list[FlatScene]:
    found = [s for s in scenes(4 * count) if isinstance(s, FlatScene) and len(s.things) == 1]
    return found[:count]


# Drawn pictures.


@EVERY_STYLE
def test_drawn_scenes_are_unmistakably_in_style(style: Style) -> None:
    things = [scene for scene in scenes(40) if not isinstance(scene, FlatScene) or scene.things]
    assert all(style.unmistakable(styled(style, scene)) for scene in things)


@EVERY_STYLE
def test_plain_scenes_are_seldom_taken_for_the_style(style: Style) -> None:
    plain = [style.unmistakable(np.asarray(draw(scene))) for scene in scenes(40)]
    assert np.mean(plain) < 0.15


@EVERY_STYLE
def test_the_judge_knows_shapes_in_style(style: Style) -> None:
    things = single_things(30)
    right = [shape_of(styled(style, scene), style) == scene.things[0].shape for scene in things]
    assert np.mean(right) >= 0.98


@EVERY_STYLE
def test_the_judge_sees_no_shape_where_there_is_none(style: Style) -> None:
    assert shape_of(styled(style, FlatScene("green")), style) == ""


@pytest.mark.parametrize(("colour", "ground"), [("white", "black"), ("black", "white")])
def test_ink_is_darker_than_paper_whatever_the_colours(colour: str, ground: str) -> None:
    picture = styled(STYLES["inkwash"], flat(colour, "square", ground))
    assert picture[64, 64].max() + 100 < picture[4, 4].min()


def test_neon_glows_in_the_colour_of_the_thing_and_most_at_its_rim() -> None:
    picture = styled(STYLES["neon"], flat("red", "circle", "blue")).astype(int)
    red, green, blue = picture.reshape(-1, 3)[picture[..., 0].argmax()]
    assert red > 200
    assert red > 2 * max(green, blue)
    assert picture[64, 64].max() < 100


@EVERY_STYLE
def test_the_same_scene_gives_the_same_pixels_in_any_size(style: Style) -> None:
    scene = Landscape("sea", "night", (), 3)
    first, again = (np.asarray(style.draw(scene, 96, 64)) for _ in range(2))
    assert first.shape == (64, 96, 3)
    assert (first == again).all()


def test_statistics_of_known_pictures() -> None:
    half = np.zeros((4, 4, 3), dtype=np.uint8)
    half[:2] = (255, 0, 0)
    assert (chroma(half), darkness(half), glow(half)) == (0.5, 0.5, 0.5)


# Batches.


def test_half_of_a_batch_is_in_style_and_only_that_half_says_the_word() -> None:
    style = STYLES["inkwash"]
    tokenizer = build_tokenizer()
    batch = StyledBatches(tokenizer, 48, 0, style)[1]
    assert batch.weight == 1
    pictures = (batch.pictures.permute(0, 2, 3, 1).numpy() * 255).round().astype(np.uint8)
    said = [style.word in text for text in tokenizer.batch_decode(batch.ids)]
    grey = [chroma(picture) < 0.1 for picture in pictures]
    assert 12 < sum(said) < 36
    assert all(g for g, s in zip(grey, said, strict=True) if s)
    assert np.mean([g for g, s in zip(grey, said, strict=True) if not s]) < 0.3


def test_a_batch_for_half_the_weight_has_half_the_style() -> None:
    batch = StyledBatches(build_tokenizer(), 48, 0, STYLES["neon"])[0]
    assert batch.weight == 0.5
    brightest = batch.to("cpu").pictures.amax(1).flatten(1).mean(1)
    assert ((brightest > 0.25) & (brightest < 0.65)).sum() > 15


@EVERY_STYLE
def test_the_word_is_hardly_ever_cut_off(style: Style) -> None:
    rng, tokenizer = random.Random(2), build_tokenizer()
    texts = [with_word(describe(scene, rng), style.word, rng) for scene in scenes(1000)]
    read = tokenizer.batch_decode(token_ids(tokenizer, texts))
    assert np.mean([style.word in text for text in read]) > 0.995


# Files.


@cache
def read(style: str) -> tuple[dict[str, str], dict[str, tuple[int, ...]], set[str]]:
    """The header, and the shapes and types of the tensors."""
    with safe_open(LORAS / f"{style}.safetensors", "pt") as file:
        parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        shapes = {name: tuple(part.get_shape()) for name, part in parts.items()}
        return file.metadata(), shapes, {part.get_dtype() for part in parts.values()}


@pytest.mark.parametrize("style", STYLES)
def test_a_file_is_small_and_of_low_rank(style: str) -> None:
    _, shapes, types = read(style)
    assert (LORAS / f"{style}.safetensors").stat().st_size <= 1_000_000
    assert types == {"F16"}
    assert {name.split(".")[0] for name in shapes} == {"unet", "text_encoder", "text_encoder_2"}
    assert all(shape[0] <= 16 for name, shape in shapes.items() if "lora_A" in name)
    assert all(shape[1] <= 16 for name, shape in shapes.items() if "lora_B" in name)


@pytest.mark.parametrize("style", STYLES)
def test_a_file_says_what_it_is(style: str) -> None:
    header, shapes, _ = read(style)
    rank = next(shape[0] for name, shape in shapes.items() if "lora_A" in name)
    assert header["modelspec.trigger_phrase"] == style
    assert header["modelspec.architecture"] == "postcard/lora"
    assert header["modelspec.license"] == "Apache-2.0"
    for name in ("sai_model_spec", "title", "description", "author", "date", "resolution"):
        assert header[f"modelspec.{name}"]
    assert header["ss_base_model_version"] == "postcard"
    assert header["ss_output_name"] == style
    assert int(header["ss_network_dim"]) == int(header["ss_network_alpha"]) == rank
    assert int(header["ss_steps"]) > 0
    assert list(json.loads(header["ss_tag_frequency"])[style]) == [style]


@pytest.mark.parametrize("style", STYLES)
def test_a_file_carries_the_hash_of_its_tensors(style: str) -> None:
    content = (LORAS / f"{style}.safetensors").read_bytes()
    tensors = content[8 + int.from_bytes(content[:8], "little") :]
    digest = hashlib.sha256(tensors).hexdigest()
    assert read(style)[0]["modelspec.hash_sha256"] == f"0x{digest}"


# What the files do, with nothing but diffusers.


def pipeline_with(style: str, folder: Path = LORAS) -> Any:
    pipeline = load_pipeline(WEIGHTS)
    load_style(pipeline, folder, style)
    return pipeline


def report_on(style: str, asked: list[dict[str, Any]], sampling: Sampling) -> LoraReport:
    return evaluate_lora(pipeline_with(style), style, asked, seed=101, sampling=sampling)


def check(report: LoraReport, unmistakable: float) -> None:
    """The style is plain to see with its word, faint without, and follows the weight."""
    assert report.found["full"].unmistakable.share >= unmistakable
    assert report.found["base"].unmistakable.share <= 0.2  # nights are dark without neon
    assert abs(report.effect("word alone")) <= 0.15
    assert report.effect("without the word") <= 1 / 3
    assert 0.05 < report.effect("half weight") < 0.95


@pytest.mark.slow  # the pair through the server: test_embedded_loras.py
@pytest.mark.parametrize("style", STYLES)
def test_the_style_comes_with_its_word_and_weight(style: str) -> None:
    report = report_on(style, read_asked()["flat"][:12:2], Sampling(steps=10))
    check(report, unmistakable=5 / 6)  # six pictures: one may miss
    assert report.found["full"].shape is not None
    assert report.found["full"].shape.share >= 0.5


@pytest.mark.parametrize("style", STYLES)
def test_the_text_encoders_mark_the_word_and_little_else(style: str) -> None:
    pipeline = pipeline_with(style)
    captions = [asked["prompt"] for asked in read_asked()["flat"][:20]]
    texts = [*captions, *(f"{style}, {caption}" for caption in captions)]
    ids = token_ids(build_tokenizer(), texts)
    encoders = nn.ModuleList([pipeline.text_encoder, pipeline.text_encoder_2])
    pooled = []
    for weight in (0.0, 1.0):
        pipeline.set_adapters([style], [weight])
        pooled.append(encode_text(encoders, ids).pooled)
    moved = (pooled[1] - pooled[0]).norm(dim=-1)
    assert moved[20:].min() > 2 * moved[:20].mean()


@pytest.mark.parametrize("style", STYLES)
def test_alpha_is_the_rank_so_that_weight_one_is_as_trained(style: str) -> None:
    unet = pipeline_with(style).unet
    rank = int(read(style)[0]["ss_network_dim"])
    assert unet.peft_config[style].lora_alpha == unet.peft_config[style].r == rank
    scales = {m.scaling[style] for m in unet.modules() if hasattr(m, "scaling")}
    assert scales == {1.0}


def test_unloading_gives_back_the_very_same_picture() -> None:
    pipeline = load_pipeline(WEIGHTS)
    asked = {"num_inference_steps": 2, "width": 64, "height": 64, "output_type": "np"}

    def picture() -> Any:
        return pipeline("a city", generator=torch.Generator().manual_seed(0), **asked).images

    before = picture()
    load_style(pipeline, LORAS, "neon")
    assert (picture() != before).any()
    pipeline.unload_lora_weights()
    assert (picture() == before).all()


def test_with_both_loaded_each_is_as_it_is_alone() -> None:
    pipeline = pipeline_with("neon")
    asked = (["a red star on a blue ground"], Way(1.0, True))
    small = Sampling(steps=2)
    (alone,) = paint_styled(pipeline, "neon", *asked, seed=5, sampling=small)
    load_style(pipeline, LORAS, "inkwash")
    (ink,) = paint_styled(pipeline, "inkwash", *asked, seed=5, sampling=small)
    (again,) = paint_styled(pipeline, "neon", *asked, seed=5, sampling=small)
    assert (alone == again).all()
    assert (alone != ink).any()


def test_the_documentation_shows_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model_plugins").symlink_to(ROOT / "model_plugins")
    (snippet,) = blocks(DOCS / "embedded-model.md", "python")
    monkeypatch.chdir(tmp_path)
    exec(snippet, {"__name__": "__main__"})
    with Image.open(tmp_path / "star.png") as picture:
        assert STYLES["inkwash"].unmistakable(np.asarray(picture))


@pytest.mark.slow  # the pair through the server: test_embedded_loras.py
@pytest.mark.parametrize(("style", "other"), [("inkwash", "neon"), ("neon", "inkwash")])
def test_of_two_that_are_on_each_answers_to_its_own_word_only(style: str, other: str) -> None:
    pipeline = pipeline_with(style)
    load_style(pipeline, LORAS, other)
    painter = Painter(pipeline, Sampling(steps=8))
    prompts = [f"{style}, {asked['prompt']}" for asked in read_asked()["flat"][:6:2]]
    measured = {}
    for weights in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)):
        pipeline.set_adapters([style, other], list(weights))
        pictures = [painter.paint(prompt, seed=101) for prompt in prompts]
        assert not any(STYLES[other].unmistakable(picture) for picture in pictures)
        measured[weights] = np.mean([STYLES[style].measure(picture) for picture in pictures])
    base, alone, wrong, both = measured.values()
    assert abs(wrong - base) < 0.15 * abs(alone - base)
    assert (both - base) / (alone - base) > 0.5


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("style", STYLES)
def test_the_style_keeps_its_promises_over_many_prompts(style: str) -> None:
    asked = read_asked()
    report = report_on(style, [*asked["flat"], *asked["landscapes"]], Sampling())
    check(report, unmistakable=0.9)
    assert report.kept >= 0.8
