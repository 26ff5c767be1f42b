"""Weights of every layout load to the tensors they were written from."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
import torch
from diffusers.quantizers.gguf.utils import dequantize_gguf_tensor
from safetensors.torch import load_file
from torch import Tensor, nn

from tests.families import original_keys, plain_diffusers
from tests.families.loading import (
    ARCHITECTURES,
    denoiser,
    load,
    modules,
    reconfigured,
    save,
    write_gguf,
)
from tests.families.original_keys import DENOISERS

pytestmark = [
    # Chroma of diffusers 0.42 uses a part that the same release deprecates.
    pytest.mark.filterwarnings("ignore:`FluxPosEmbed` is deprecated:FutureWarning"),
    pytest.mark.usefixtures("one_thread"),
]

#: FLUX.1 and Chroma at any other width cannot be converted.
REAL_WIDTH = {"num_attention_heads": 24, "attention_head_dim": 128, "axes_dims_rope": (16, 56, 56)}


@pytest.fixture(scope="module")
def original(tiny: Callable[[str], Path]) -> Callable[[str], dict[str, nn.Module]]:
    """The modules of a small pipeline, loaded by diffusers alone."""

    @cache
    def of(name: str) -> dict[str, nn.Module]:
        return modules(plain_diffusers.load(tiny(name)))

    return of


def _assert_same(pipe: Any, original: dict[str, nn.Module]) -> None:
    loaded = modules(pipe)
    assert loaded.keys() == original.keys()
    for part, module in loaded.items():
        _assert_equal(module.state_dict(), original[part].state_dict())
        assert type(module) is type(original[part])
        assert not module.training


def _assert_equal(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    assert found.keys() == wanted.keys()
    assert [key for key in wanted if not torch.equal(found[key], wanted[key])] == []


# --- folders and files -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_folder(name: str, tiny: Callable[[str], Path], original: Any) -> None:
    _assert_same(load(name, tiny(name)), original(name))


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model.", "transformer."])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_denoiser_by_diffusers_names(
    name: str, prefix: str, tiny: Callable[[str], Path], original: Any, bare: Any
) -> None:
    tensors = {prefix + key: value for key, value in denoiser(tiny, name).items()}
    if prefix:  # other parts may stand beside it
        tensors["vae.decoder.conv_in.weight"] = torch.zeros(1)
    folder = bare(name)
    file = save(tensors, folder / "denoiser.safetensors")
    _assert_same(load(name, file, config=folder), original(name))


@pytest.mark.parametrize("name", ["sdxl-base", "z-image-turbo", "flux-2-klein"])
def test_a_denoiser_by_its_authors_names(
    name: str, tiny: Callable[[str], Path], original: Any, bare: Any, tmp_path: Path
) -> None:
    file = save(DENOISERS[name](denoiser(tiny, name)), tmp_path / "denoiser.safetensors")
    _assert_same(load(name, file, config=bare(name)), original(name))


@pytest.mark.parametrize("name", ["flux-dev", "chroma"])
def test_a_denoiser_of_real_width_by_its_authors_names(
    name: str, bare: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = bare(name)
    model = reconfigured(name, folder, REAL_WIDTH)
    drawn = {key: _drawn(key, value.shape) for key, value in model.state_dict().items()}
    file = tmp_path / "denoiser.safetensors"
    save(DENOISERS[name](dict(drawn)), file)

    loaded = load(name, file, config=folder, dtype="bfloat16").transformer.state_dict()
    file.unlink()
    _assert_equal(loaded, drawn)


def _drawn(key: str, shape: tuple[int, ...]) -> Tensor:
    """Numbers that depend on the key and differ from row to row, drawn faster than a gigabyte of
    independent ones."""
    generator = torch.Generator().manual_seed(crc32(key.encode()))
    axes = [torch.randn(size, generator=generator) for size in shape]
    rows = axes[0].reshape(-1, *[1] * (len(shape) - 1)).to(torch.bfloat16)
    return (rows + axes[-1].to(torch.bfloat16) if len(shape) > 1 else rows).contiguous()


def test_a_whole_checkpoint(tiny: Callable[[str], Path], original: Any, tmp_path: Path) -> None:
    pipe = plain_diffusers.load(tiny("sdxl-base"))
    file = save(original_keys.sdxl(pipe), tmp_path / "checkpoint.safetensors")
    texts = shutil.ignore_patterns("*.safetensors")
    folder = shutil.copytree(tiny("sdxl-base"), tmp_path / "texts", ignore=texts)
    _assert_same(load("sdxl-base", file, config=folder), original("sdxl-base"))


# --- parts from elsewhere ----------------------------------------------------------------------


def _negated(folder: Path, part: str, copy: Path) -> Path:
    """A copy of a part's folder in which every weight has the other sign."""
    shutil.copytree(folder / part, copy)
    file = next(copy.glob("*.safetensors"))
    save({key: -value for key, value in load_file(file).items()}, file)
    return copy


@pytest.mark.parametrize("part", ["vae", "text_encoder", "text_encoder_2", "transformer"])
def test_a_part_from_its_own_folder(
    part: str, tiny: Callable[[str], Path], original: Any, tmp_path: Path
) -> None:
    other = _negated(tiny("flux-dev"), part, tmp_path / "other")
    pipe = load("flux-dev", tiny("flux-dev"), components={part: other})
    negated = {key: -value for key, value in original("flux-dev")[part].state_dict().items()}
    _assert_equal(pipe.components[part].state_dict(), negated)


def test_a_part_and_a_tokenizer_from_another_pipeline(
    tiny: Callable[[str], Path], original: Any
) -> None:
    other = tiny("flux-schnell")
    pipe = load("flux-dev", tiny("flux-dev"), components={"vae": other, "tokenizer": other})
    schnell = plain_diffusers.load(other)
    _assert_equal(pipe.vae.state_dict(), schnell.vae.state_dict())
    assert pipe.tokenizer("a fox").input_ids == schnell.tokenizer("a fox").input_ids


def test_an_autoencoder_from_a_file(
    tiny: Callable[[str], Path], original: Any, tmp_path: Path
) -> None:
    wanted = {k: -v for k, v in original("flux-dev")["vae"].state_dict().items()}
    file = save(original_keys.vae(dict(wanted)), tmp_path / "ae.safetensors")
    pipe = load("flux-dev", tiny("flux-dev"), components={"vae": file})
    _assert_equal(pipe.vae.state_dict(), wanted)


# --- GGUF --------------------------------------------------------------------------------------


def _dequantized(module: nn.Module) -> dict[str, Tensor]:
    # `state_dict` gives the blocks as plain bytes.
    parameters = dict(module.named_parameters())
    return {
        key: dequantize_gguf_tensor(parameters.get(key, value)).float()
        for key, value in module.state_dict().items()
    }


@pytest.mark.parametrize("name", ["flux-dev", "chroma", "flux-2-klein", "z-image-turbo"])
def test_gguf(name: str, tiny: Callable[[str], Path], bare: Any, tmp_path: Path) -> None:
    file = tmp_path / "denoiser.gguf"
    stored = write_gguf(denoiser(tiny, name), file)
    loaded = load(name, file, config=bare(name)).transformer
    quantized = [m for m in loaded.modules() if hasattr(getattr(m, "weight", None), "quant_type")]
    assert len(quantized) > 10
    assert all(isinstance(module, nn.Linear) for module in quantized)
    _assert_equal(_dequantized(loaded), stored)


@pytest.mark.parametrize("name", ["flux-dev", "z-image-turbo"])
def test_a_picture_from_gguf_looks_the_same(
    name: str, tiny: Callable[[str], Path], tmp_path: Path
) -> None:
    write_gguf(denoiser(tiny, name), tmp_path / "denoiser.gguf")
    exact = _picture(load(name, tiny(name)))
    rounded = _picture(load(name, tmp_path / "denoiser.gguf", config=tiny(name)))
    assert 0 < np.abs(exact - rounded).mean() < 0.03 < exact.std()


def _picture(pipe: Any) -> Any:
    pipe.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(1)
    size = {"width": 64, "height": 64, "num_inference_steps": 2, "guidance_scale": 0.0}
    return pipe("a fox", **size, generator=generator, output_type="np").images


@pytest.mark.parametrize("name", ["flux-2-klein", "z-image-turbo"])
def test_gguf_by_its_authors_names(
    name: str, tiny: Callable[[str], Path], bare: Any, tmp_path: Path
) -> None:
    stored = write_gguf(denoiser(tiny, name), tmp_path / "other.gguf")
    file = tmp_path / "denoiser.gguf"
    write_gguf(DENOISERS[name](denoiser(tiny, name)), file)
    loaded = load(name, file, config=bare(name)).transformer
    _assert_equal(_dequantized(loaded), stored)
