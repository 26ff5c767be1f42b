"""Where the factor alpha / r of a LoRA's modules comes from."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from server.lora_tensors import LoraModule, read
from server.worker.lora_scales import Scales

TO_Q = "transformer_blocks.0.attn.to_q"


def module(prefix: str, name: str = TO_Q, rank: int = 8) -> LoraModule:
    keys = {f"{prefix}{name}.lora_A.weight": (rank, 4), f"{prefix}{name}.lora_B.weight": (4, rank)}
    (found,) = read(keys).modules
    return found


def scales(told: dict[str, Any] | str, path: Path = Path("x.safetensors")) -> Scales:
    text = told if isinstance(told, str) else json.dumps(told)
    return Scales(path, {"lora_adapter_metadata": text})


def test_a_tensor_beside_the_others_counts_first() -> None:
    found = scales({"transformer.lora_alpha": 99})
    assert found.of(module("transformer."), torch.tensor(2.0)) == 0.25
    assert found.of(module("transformer."), torch.tensor([2.0])) == 0.25


def test_the_metadata_say_it_for_each_part() -> None:
    told = {"unet.lora_alpha": 4, "text_encoder.lora_alpha": 16, "text_encoder_2.lora_alpha": 2}
    found = scales(told)
    assert found.of(module("unet."), None) == 0.5
    assert found.of(module("text_encoder."), None) == 2
    assert found.of(module("text_encoder_2."), None) == 0.25
    assert found.of(module("text_encoder_3."), None) == 1


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        (TO_Q, 0.5),
        (f"single_{TO_Q}", 2),
        ("transformer_blocks.0.attn.add_q_proj", 2),
        ("transformer_blocks.7.attn.to_k", 0.125),
    ],
)
def test_a_pattern_is_of_whole_words_at_the_end(name: str, scale: float) -> None:
    pattern = {TO_Q: 4, "to_k": 1, "proj": 1}
    found = scales({"transformer.lora_alpha": 16, "transformer.alpha_pattern": pattern})
    assert found.of(module("transformer.", name), None) == scale


def test_rank_stabilised_ones_are_divided_by_the_root() -> None:
    found = scales({"transformer.lora_alpha": 4, "transformer.use_rslora": True})
    assert found.of(module("transformer.", rank=16), None) == 4 / math.sqrt(16)


@pytest.mark.parametrize(
    "told", ["", "{", "[1]", "null", '{"transformer.lora_alpha": "much"}', "[" * 20_000]
)
def test_metadata_that_say_nothing_of_use_leave_1(told: str) -> None:
    assert scales(told).of(module("transformer."), None) == 1


def test_peft_s_own_files_have_their_settings_beside_them(tmp_path: Path) -> None:
    path = tmp_path / "adapter_model.safetensors"
    ours = module("base_model.model.")
    alone = Scales(path, {"format": "pt"})
    assert (alone.of(ours, None), alone.knows(ours)) == (1, False)
    settings = {"r": 8, "lora_alpha": 16, "alpha_pattern": {"to_k": 4}}
    (tmp_path / "adapter_config.json").write_text(json.dumps(settings))
    beside = Scales(path, {"format": "pt"})
    assert (beside.of(ours, None), beside.knows(ours)) == (2, True)
    assert Scales(tmp_path / "other.safetensors", {}).of(ours, None) == 1


def test_others_than_peft_leave_alpha_out_where_it_is_the_rank() -> None:
    found = Scales(Path("x.safetensors"), {})
    assert found.knows(module("transformer."))
    assert found.knows(module("lora_unet_"))
