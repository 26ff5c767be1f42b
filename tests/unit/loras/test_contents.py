"""What is a LoRA, and what else a file may be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from server.loras.contents import check_is_lora
from server.loras.examination import LONGEST_HEADER
from server.source_errors import NotALora, NotAWeightsFile
from tests.fake_sources import lora, sha256

DIFFUSION = "model.diffusion_model.input_blocks.0.0.weight"


def write(path: Path, *names: str) -> Path:
    save_file({name: np.zeros((2, 2), np.float32) for name in names}, path)
    return path


def test_a_lora_is_told_by_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(lora())
    assert check_is_lora(path, "x") == sha256(lora())


@pytest.mark.parametrize("words", [("on_input",), ("oft_blocks",), ("diff", "diff_b")])
def test_one_that_cannot_be_applied_is_one_still(tmp_path: Path, words: tuple[str, ...]) -> None:
    path = write(tmp_path / "x.safetensors", *[f"lora_unet_block.{word}" for word in words])
    assert check_is_lora(path, "x") == sha256(path.read_bytes())


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        ((DIFFUSION, "first_stage_model.decoder.conv_in.weight"), "a whole checkpoint"),
        ((DIFFUSION, "b.lora_down.weight", "c.weight", "b.lora_up.weight", "d.weight"), "whole"),
        (("emb_params",), "embedding"),
        (("decoder.conv_in.weight", "encoder.conv_in.weight"), "a VAE"),
        (("a.lora_down.weight",), "no LoRA"),
        ((), "empty"),
    ],
)
def test_another_thing_is_named(tmp_path: Path, names: tuple[str, ...], kind: str) -> None:
    with pytest.raises(NotALora, match=kind):
        check_is_lora(write(tmp_path / "x.safetensors", *names), "x")


def test_a_header_that_no_lora_has_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes((LONGEST_HEADER + 1).to_bytes(8, "little") + b"{" + b" " * LONGEST_HEADER)
    with pytest.raises(NotAWeightsFile, match=f"header of {LONGEST_HEADER + 1} bytes"):
        check_is_lora(path, path.name)


@pytest.mark.parametrize("data", [b"", b"<!doctype html>", lora()[:-1], lora() + b"1"])
def test_what_is_not_whole_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    with pytest.raises(NotAWeightsFile):
        check_is_lora(path, "x")
