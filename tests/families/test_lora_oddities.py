"""LoRA files as they come: modules named twice, narrow numbers, settings elsewhere."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

from server.lora_errors import LoraIncompatible
from server.plugins.types import LoraFile
from tests.families import lora_files, lora_merging, plain_diffusers
from tests.families.lora_models import latents, load, with_loras

pytestmark = [
    # torch's tensors do not know numpy 2's `copy` argument yet, and schedulers convert them.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy"),
    pytest.mark.usefixtures("one_thread"),
]

BLOCK = "mid_block.attentions.0.transformer_blocks.0"
THEIRS = "middle_block.1.transformer_blocks.0"
TO_Q = f"{BLOCK}.attn1.to_q"
SQUARE = (16, 16)
FLUX = "transformer_blocks.0.attn"

Folder = Callable[[str], Path]


@pytest.fixture(scope="module")
def sdxl(tiny: Folder) -> Any:
    return load("sdxl-base", tiny("sdxl-base"))


def joined(path: Path, *parts: Path) -> Path:
    """One file with the tensors of several."""
    save_file({key: value for part in parts for key, value in load_file(part).items()}, path)
    return path


def test_a_module_under_two_names_is_changed_once(sdxl: Any, tmp_path: Path) -> None:
    own = lora_files.write(tmp_path / "own.safetensors", {TO_Q: SQUARE}, "kohya")
    theirs = lora_files.write(
        tmp_path / "theirs.safetensors", {f"{THEIRS}.attn1.to_q": SQUARE}, "kohya"
    )
    both = joined(tmp_path / "both.safetensors", own, theirs)

    (match,) = sdxl.apply_loras([LoraFile("both", both, 1.0)], 0)

    assert (match.matched, match.total, len(match.unmatched)) == (1, 2, 1)
    found = with_loras(sdxl, (both, 1.0))
    assert torch.equal(found, with_loras(sdxl, (own, 1.0))) or torch.equal(
        found, with_loras(sdxl, (theirs, 1.0))
    )


def test_parts_count_before_what_is_fused(tiny: Folder, tmp_path: Path) -> None:
    model = load("flux-dev", tiny("flux-dev"))
    own = lora_files.modules_of(model._pipe.transformer)
    rows, columns = own[f"{FLUX}.to_q"]
    fused = lora_files.write(
        tmp_path / "fused.safetensors", {"double_blocks.0.img_attn.qkv": (3 * rows, columns)}
    )
    parts = {f"{FLUX}.to_q": (rows, columns), f"{FLUX}.to_k": (rows, columns)}
    split = lora_files.write(tmp_path / "split.safetensors", parts)
    value = lora_files.write(tmp_path / "value.safetensors", {f"{FLUX}.to_v": (rows, columns)})
    both = joined(tmp_path / "both.safetensors", fused, split)
    whole = joined(tmp_path / "whole.safetensors", fused, split, value)

    assert torch.equal(
        with_loras(model, (whole, 1.0)), with_loras(model, (split, 1.0), (value, 1.0))
    )
    # What no part names is still the fused one's.
    found = with_loras(model, (both, 1.0))
    assert not torch.equal(found, with_loras(model, (split, 1.0)))
    (match,) = model.apply_loras([LoraFile("whole", whole, 1.0)], 0)
    model.apply_loras((), 0)
    assert (match.matched, match.total) == (3, 4)
    assert match.unmatched == ("double_blocks.0.img_attn.qkv",)


def test_numbers_of_a_byte_are_read(sdxl: Any, tmp_path: Path) -> None:
    path = lora_files.write(tmp_path / "wide.safetensors", {TO_Q: SQUARE}, "kohya", alpha=2)
    tensors = load_file(path)
    narrow = {
        key: value if key.endswith("alpha") else value.to(torch.float8_e4m3fn)
        for key, value in tensors.items()
    }
    save_file(narrow, tmp_path / "narrow.safetensors")
    rounded = {key: value.float() for key, value in narrow.items()}
    save_file(rounded, tmp_path / "rounded.safetensors")

    found = with_loras(sdxl, (tmp_path / "narrow.safetensors", 1.0))

    assert torch.equal(found, with_loras(sdxl, (tmp_path / "rounded.safetensors", 1.0)))
    assert not torch.equal(found, latents(sdxl._pipe))


def test_a_folder_that_peft_saved_does_what_it_does_there(
    tiny: Folder, sdxl: Any, tmp_path: Path
) -> None:
    pipe = plain_diffusers.load(tiny("sdxl-base"))
    torch.manual_seed(1)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=["to_q", "to_v"], init_lora_weights=False)
    pipe.unet = get_peft_model(pipe.unet, config)
    pipe.unet.save_pretrained(tmp_path)
    pipe.unet = pipe.unet.base_model.model  # with the layers that peft put into it

    found = with_loras(sdxl, (tmp_path / "adapter_model.safetensors", 1.0))

    expected = latents(pipe)
    assert torch.allclose(found, expected, atol=1e-4 * float(expected.abs().max()))
    assert not torch.allclose(found, latents(sdxl._pipe), atol=1e-2)


def test_alpha_in_the_metadata_is_that_beside_the_tensors(sdxl: Any, tmp_path: Path) -> None:
    words = {"lora_adapter_metadata": json.dumps({"unet.lora_alpha": 12, "unet.r": 4})}
    told = lora_files.write(tmp_path / "told.safetensors", {TO_Q: SQUARE}, metadata=words)
    tensors = load_file(told)
    beside = {**tensors, f"unet.{TO_Q}.alpha": torch.tensor(12.0)}
    save_file(beside, tmp_path / "beside.safetensors")

    found = with_loras(sdxl, (told, 0.5))

    assert torch.equal(found, with_loras(sdxl, (tmp_path / "beside.safetensors", 0.5)))


@pytest.mark.parametrize("network", ["loha", "lokr"])
def test_lengths_beside_any_change_are_dora_s(
    network: str, sdxl: Any, tiny: Folder, tmp_path: Path
) -> None:
    path = lora_files.write(tmp_path / "x.safetensors", {TO_Q: SQUARE}, "kohya", network, alpha=2)
    key = f"lora_unet_{TO_Q.replace('.', '_')}.dora_scale"
    lengths = 0.5 + torch.rand(16, 1, generator=torch.Generator().manual_seed(3))
    save_file({**load_file(path), key: lengths}, path)

    found = with_loras(sdxl, (path, 1.0))

    pipe = plain_diffusers.load(tiny("sdxl-base"))
    roles = lora_merging.grouped(path)["", TO_Q.replace(".", "_")]
    weight = lora_merging.named(pipe.unet)[TO_Q.replace(".", "_")].weight
    change = lora_merging.delta(roles, weight.double())
    with torch.no_grad():
        weight += lora_merging.dora(lengths.double(), weight.double(), change).float()
    expected = latents(pipe)
    assert torch.allclose(found, expected, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("none", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_refused(none: float, sdxl: Any, tmp_path: Path) -> None:
    path = lora_files.write(tmp_path / "x.safetensors", {TO_Q: SQUARE})
    tensors = load_file(path)
    tensors[f"unet.{TO_Q}.lora_A.weight"][0, 0] = none
    save_file(tensors, path)
    with pytest.raises(LoraIncompatible, match="NaN or infinite"):
        sdxl.apply_loras([LoraFile("x", path, 1.0)], 0)


def test_the_answer_has_the_id_of_the_request(sdxl: Any, tmp_path: Path) -> None:
    path = lora_files.write(tmp_path / "x.safetensors", {TO_Q: SQUARE})
    (first,) = sdxl.apply_loras([LoraFile("local_abc", path, 1.0)], 10**9)
    (second,) = sdxl.apply_loras([LoraFile("civitai_7", path, 1.0)], 10**9)
    sdxl.apply_loras((), 0)
    assert (first.id, second.id) == ("local_abc", "civitai_7")


def test_a_closed_model_holds_nothing(tiny: Folder) -> None:
    model = load("sdxl-base", tiny("sdxl-base"))
    layer = weakref.ref(model._pipe.unet.conv_in)
    model.close()
    gc.collect()
    assert layer() is None
