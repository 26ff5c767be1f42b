"""Sizes from the headers of files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from server.worker.components import IN_BLOCKS, VAE, Component
from server.worker.estimate import (
    DECODER_WIDTHS,
    TEXT_TOKENS,
    TRANSFORMER_WIDTHS,
    UNET_WIDTHS,
    WIDTH,
    Footprint,
    of_files,
    of_size,
)
from tests.families.loading import write_gguf

GIB = 2**30


def weights(path: Path, shapes: Mapping[str, tuple[int, ...]], dtype: Any = np.float32) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: np.zeros(shape, dtype) for name, shape in shapes.items()}, path)
    return path


def config(folder: Path, **words: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(words), encoding="utf-8")


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    """A transformer in two shards (60 and 40 numbers), a text encoder in two variants (30), an
    autoencoder (10)."""
    folder = tmp_path / "pipeline"
    index = {
        "_class_name": "SomePipeline",
        "transformer": ["diffusers", "SomeTransformer"],
        "text_encoder": ["transformers", "SomeEncoder"],
        "vae": ["diffusers", "AutoencoderKL"],
        "tokenizer": ["transformers", "SomeTokenizer"],
        "image_encoder": [None, None],
    }
    stem = "diffusion_pytorch_model"
    weights(
        folder / f"transformer/{stem}-00001-of-00002.safetensors",
        {"blocks.0.a.weight": (5, 6), "blocks.1.a.weight": (2, 10), "norm.weight": (10,)},
    )
    weights(folder / f"transformer/{stem}-00002-of-00002.safetensors", {"blocks.10.b": (40,)})
    config(folder / "transformer", num_attention_heads=2, attention_head_dim=3)
    weights(folder / "text_encoder/model.safetensors", {"layers.0.w": (20,), "layers.1.w": (10,)})
    weights(folder / "text_encoder/model.fp16.safetensors", {"layers.0.w": (20,)})
    weights(folder / f"vae/{stem}.safetensors", {"decoder.w": (10,)})
    config(folder / "vae", block_out_channels=[4, 8], sample_size=64, force_upcast=True)
    config(folder / "tokenizer")
    (folder / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
    return folder


def sizes(footprint: Footprint) -> dict[str, int]:
    return {name: component.size for name, component in footprint.components.items()}


@pytest.mark.parametrize(("dtype", "number"), [("float32", 4), ("bfloat16", 2)])
def test_weights_are_counted_as_they_will_be_loaded(
    pipeline: Path, dtype: str, number: int
) -> None:
    footprint = of_files(pipeline, dtype)
    expected = {"transformer": 100, "text_encoder": 30, "vae": 10}
    assert sizes(footprint) == {name: count * number for name, count in expected.items()}
    assert footprint.at(64, 64).weights == 140 * number


def test_a_transformer_streams_two_blocks_and_what_is_in_none(pipeline: Path) -> None:
    parts = of_files(pipeline, "float32").components
    # Its largest block has 40 numbers, twice that and the 10 of the norm are all but 10.
    assert parts["transformer"] == Component(size=400, streamed=360, tensor=160)


def test_others_stream_two_layers(pipeline: Path) -> None:
    parts = of_files(pipeline, "float32").components
    assert parts["text_encoder"] == Component(size=120, streamed=120, tensor=80)


def test_activations_follow_the_formula_of_the_configuration(pipeline: Path) -> None:
    estimate = of_files(pipeline, "bfloat16").at(512, 256)
    tokens = 32 * 16 + TEXT_TOKENS
    assert estimate.activations == tokens * (2 * 3) * 2 * TRANSFORMER_WIDTHS
    assert estimate.decode == 512 * 256 * 4 * 2 * DECODER_WIDTHS
    assert estimate.tiled_decode == 64 * 64 * 4 * 2 * DECODER_WIDTHS + 512 * 256 * 12


def test_tiles_save_nothing_for_an_image_of_one_tile(pipeline: Path) -> None:
    estimate = of_files(pipeline, "bfloat16").at(64, 64)
    assert estimate.tiled_decode == estimate.decode


def test_an_autoencoder_that_overflows_decodes_in_float32(pipeline: Path) -> None:
    half, brain = (of_files(pipeline, dtype).at(64, 64) for dtype in ("float16", "bfloat16"))
    assert half.decode == 2 * brain.decode
    assert half.activations == brain.activations


def test_a_unet_counts_latents(pipeline: Path) -> None:
    index = {"unet": ["diffusers", "UNet2DConditionModel"]}
    (pipeline / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
    shapes = {"up_blocks.0.a": (50,), "up_blocks.1.a": (5,), "mid_block.a": (5,)}
    weights(pipeline / "unet/diffusion_pytorch_model.safetensors", shapes)
    config(pipeline / "unet", block_out_channels=[8, 16])
    footprint = of_files(pipeline, "bfloat16")
    assert footprint.at(64, 128).activations == 8 * 16 * 8 * 2 * UNET_WIDTHS
    # Its blocks are nearly all of it: layers are streamed.
    assert footprint.components["unet"] == Component(size=120, streamed=120, tensor=100)


def test_quantized_weights_stay_as_they_are(pipeline: Path) -> None:
    file = pipeline / "transformer/diffusion_pytorch_model-00002-of-00002.safetensors"
    weights(file, {"blocks.10.b": (40,)}, np.uint8)
    assert sizes(of_files(pipeline, "float32"))["transformer"] == 60 * 4 + 40


def test_parts_from_elsewhere_replace_those_of_the_folder(pipeline: Path, tmp_path: Path) -> None:
    other = weights(tmp_path / "vae.safetensors", {"decoder.w": (7,)})
    assert sizes(of_files(pipeline, "float32", {"vae": other}))["vae"] == 28


def test_a_whole_checkpoint_is_taken_apart(tmp_path: Path) -> None:
    shapes = {
        "model.diffusion_model.input_blocks.0.w": (100,),
        "first_stage_model.decoder.w": (10,),
        "conditioner.embedders.0.w": (20,),
        "conditioner.embedders.1.w": (30,),
    }
    footprint = of_files(weights(tmp_path / "x.safetensors", shapes), "bfloat16")
    expected = {IN_BLOCKS: 200, VAE: 20, "text_encoder": 40, "text_encoder_2": 60}
    assert sizes(footprint) == expected


def test_a_file_without_known_prefixes_is_the_denoiser(tmp_path: Path) -> None:
    shapes = {"double_blocks.0.w": (30,), "double_blocks.1.w": (30,), "img_in.weight": (10,)}
    file = weights(tmp_path / "x.safetensors", shapes)
    text = weights(tmp_path / "t5/model.safetensors", {"shared.weight": (50,)})
    footprint = of_files(file, "bfloat16", {"text_encoder": text.parent})
    assert sizes(footprint) == {IN_BLOCKS: 140, "text_encoder": 100}
    # No configuration tells its width.
    estimate = footprint.at(1024, 1024)
    assert estimate.activations == (64 * 64 + TEXT_TOKENS) * WIDTH * 2 * TRANSFORMER_WIDTHS


def test_what_a_file_lacks_comes_from_the_folder_of_its_configuration(
    pipeline: Path, tmp_path: Path
) -> None:
    file = weights(tmp_path / "x.safetensors", {"double_blocks.0.w": (30,)})
    footprint = of_files(file, "float32", config=pipeline)
    assert sizes(footprint) == {"transformer": 120, "text_encoder": 120, "vae": 40}
    whole = {"model.diffusion_model.w": (30,), "first_stage_model.w": (20,)}
    other = of_files(weights(tmp_path / "y.safetensors", whole), "float32", config=pipeline)
    assert sizes(other) == {"transformer": 120, "text_encoder": 120, "vae": 80}
    assert other.at(64, 64).activations == footprint.at(64, 64).activations


def test_a_part_may_come_out_of_another_pipeline(pipeline: Path, tmp_path: Path) -> None:
    file = weights(tmp_path / "x.safetensors", {"double_blocks.0.w": (30,)})
    footprint = of_files(file, "float32", {"vae": pipeline})
    assert sizes(footprint) == {IN_BLOCKS: 120, "vae": 40}


@pytest.mark.parametrize(("way", "share"), [("nf4", 0.28125), ("int8", 0.5), ("fp8", 0.5)])
def test_quantization_makes_large_parts_small(pipeline: Path, way: str, share: float) -> None:
    footprint = of_files(pipeline, "bfloat16", quantization=way)
    # 60 numbers in one block, 40 of one more tensor; the encoder is small.
    assert sizes(footprint)["transformer"] == pytest.approx(200 * share, abs=2)
    assert sizes(footprint)["text_encoder"] == 60


def test_a_gguf_files_blocks_take_what_they_take_there(tmp_path: Path) -> None:
    names = [f"double_blocks.{number}.weight" for number in range(4)]
    written = write_gguf({name: torch.ones(64, 32) for name in names}, tmp_path / "x.gguf")
    assert len(written) == 4
    (denoiser,) = of_files(tmp_path / "x.gguf", "bfloat16").components.values()
    # Q8_0: 32 numbers and a scale of half precision take 34 bytes.
    block = 64 * 34
    assert (denoiser.size, denoiser.streamed, denoiser.tensor) == (4 * block, 2 * block, block)


def test_a_gguf_file_is_one_block_where_nobody_can_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.quantization.find_spec", lambda _: None)
    file = tmp_path / "x.gguf"
    file.write_bytes(b"GGUF" + bytes(96))
    assert sizes(of_files(file, "bfloat16")) == {IN_BLOCKS: 100}


@pytest.mark.parametrize(("way", "share"), [("nf4", 0.5625 / 2), ("int8-torchao", 1 / 2)])
def test_a_guess_counts_the_largest_component_as_quantized(way: str, share: float) -> None:
    plain, held = (of_size(10**10, "bfloat16", each).components for each in (None, way))
    assert held["largest"].size == pytest.approx(plain["largest"].size * share)
    assert held["rest"].size == plain["rest"].size


@pytest.mark.parametrize("content", [b"", b"<html>something</html>", b"\x05" + bytes(7) + b"{nope"])
def test_a_file_that_is_none_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.safetensors does not begin like"):
        of_files(tmp_path / "x.safetensors", "float32")


@pytest.mark.parametrize(("size", "largest"), [(6.94, 5.13), (33.74, 23.80), (16.27, 9.52)])
def test_a_guess_from_the_size_alone_is_generous(size: float, largest: float) -> None:
    footprint = of_size(round(size * 10**9), "bfloat16")
    estimate = footprint.at(1024, 1024)
    assert estimate.weights == round(size * 10**9)
    assert footprint.components["largest"].size > largest * 10**9
    assert estimate.activations > GIB
    assert of_size(10, "float32").at(64, 64).weights == 20
