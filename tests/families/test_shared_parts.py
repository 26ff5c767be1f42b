"""A part that several models have is in memory once, and goes with the last that has it."""

from __future__ import annotations

import gc
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from server.worker.shared_parts import SHARED_PARTS
from tests.families.loading import load

pytestmark = [
    # Chroma of diffusers 0.42 uses a part that the same release deprecates.
    pytest.mark.filterwarnings("ignore:`FluxPosEmbed` is deprecated:FutureWarning"),
    pytest.mark.usefixtures("one_thread"),
]


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """What one test loaded is not there for the next."""
    gc.collect()
    before = len(SHARED_PARTS)  # of models that another module's fixtures still hold
    yield
    gc.collect()
    assert len(SHARED_PARTS) <= before, "a part outlived its last model"


@pytest.fixture
def copy(tiny: Callable[[str], Path], tmp_path: Path) -> Path:
    """The files of a pipeline once more, saved by somebody else."""
    folder = shutil.copytree(tiny("flux-dev"), tmp_path / "copy")
    config = folder / "text_encoder_2" / "config.json"
    words = {**json.loads(config.read_text()), "transformers_version": "4.0.0"}
    config.write_text(json.dumps(words))
    return folder


def changed(file: Path, name: str) -> None:
    """Add one to a tensor's last number: the file keeps its size and its beginning."""
    tensors = load_file(file)
    tensors[name].view(-1)[-1] += 1
    save_file(tensors, file)


def picture(pipe: Any) -> bytes:
    pipe.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(3)
    image = pipe("a cat", width=64, height=64, num_inference_steps=1, generator=generator).images[0]
    data: bytes = image.tobytes()
    return data


def test_equal_parts_of_two_models_are_one(tiny: Callable[[str], Path], copy: Path) -> None:
    first, second = load("flux-dev", tiny("flux-dev")), load("flux-dev", copy)
    for name in ("text_encoder", "text_encoder_2", "vae"):
        assert getattr(first, name) is getattr(second, name), name
    assert first.transformer is not second.transformer, "adapters change it"
    assert first.scheduler is not second.scheduler


def test_a_part_that_differs_in_a_number_is_another(
    tiny: Callable[[str], Path], copy: Path
) -> None:
    (file,) = (copy / "vae").glob("*.safetensors")
    changed(file, "decoder.conv_out.bias")
    first, second = load("flux-dev", tiny("flux-dev")), load("flux-dev", copy)
    assert first.vae is not second.vae
    assert first.text_encoder_2 is second.text_encoder_2
    assert picture(first) != picture(second)


def test_a_part_of_another_type_or_configuration_is_another(
    tiny: Callable[[str], Path], copy: Path
) -> None:
    config = copy / "vae" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "scaling_factor": 0.5}))
    first, second = load("flux-dev", tiny("flux-dev")), load("flux-dev", copy)
    assert first.vae is not second.vae
    half = load("flux-dev", tiny("flux-dev"), dtype="bfloat16")
    assert half.text_encoder_2.dtype is torch.bfloat16
    assert first.text_encoder_2.dtype is torch.float32


def test_parts_are_found_among_different_families(
    tiny: Callable[[str], Path], tmp_path: Path
) -> None:
    chroma = shutil.copytree(tiny("chroma"), tmp_path / "chroma")
    shutil.rmtree(chroma / "text_encoder")
    shutil.copytree(tiny("flux-dev") / "text_encoder_2", chroma / "text_encoder")
    flux = load("flux-dev", tiny("flux-dev"))
    assert load("chroma", chroma).text_encoder is flux.text_encoder_2


def test_a_part_whose_files_were_removed_or_changed_is_not_shared(
    tiny: Callable[[str], Path], copy: Path
) -> None:
    first = load("flux-dev", copy)
    shutil.rmtree(copy / "text_encoder_2")
    (file,) = (copy / "vae").glob("*.safetensors")
    changed(file, "decoder.conv_out.bias")
    second = load("flux-dev", tiny("flux-dev"))
    assert first.text_encoder is second.text_encoder
    assert first.text_encoder_2 is not second.text_encoder_2
    assert first.vae is not second.vae


def test_a_shared_part_stays_while_someone_has_it(tiny: Callable[[str], Path], copy: Path) -> None:
    first, second = load("flux-dev", tiny("flux-dev")), load("flux-dev", copy)
    before = picture(second)
    del first
    gc.collect()
    assert picture(second) == before
    third = load("flux-dev", tiny("flux-dev"))
    assert third.vae is second.vae
