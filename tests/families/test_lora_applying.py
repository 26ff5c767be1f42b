"""LoRAs that do not fit, in whole or in part; and that nothing of any stays behind."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from server.lora_errors import LoraIncompatible, LoraMissing
from server.plugins.types import LoraFile
from tests.families import lora_files, lora_merging
from tests.families.lora_files import modules_of
from tests.families.lora_models import FAMILIES, latents, load, with_loras

pytestmark = [
    # torch's tensors do not know numpy 2's `copy` argument yet, and schedulers convert them.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy"),
    pytest.mark.usefixtures("one_thread"),
]

KEEP = 10**9

TO_Q = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
TO_K = "mid_block.attentions.0.transformer_blocks.0.attn1.to_k"

Folder = Callable[[str], Path]


@pytest.fixture(scope="module")
def sdxl(tiny: Folder) -> Any:
    return load("sdxl-base", tiny("sdxl-base"))


def one(path: Path) -> list[LoraFile]:
    return [LoraFile("style", path, 1.0)]


def test_what_finds_no_place_is_named(sdxl: Any, tmp_path: Path) -> None:
    layers = {TO_Q: (16, 16), TO_K: (16, 24), "a.layer.of.nobody": (16, 16)}
    path = lora_files.write(tmp_path / "style.safetensors", layers, "kohya")
    tensors = {**load_file(path), "bundle_emb.x.string_to_param": np.zeros(3, np.float32)}
    save_file(tensors, path)

    (match,) = sdxl.apply_loras(one(path), 0)
    sdxl.apply_loras((), 0)

    assert (match.matched, match.total, match.text_encoder) == (1, 4, False)
    assert sorted(match.unmatched) == [
        "a_layer_of_nobody",
        "bundle_emb.x.string_to_param",
        TO_K.replace(".", "_"),  # its shape is another model's
    ]


def test_one_that_fits_nowhere_is_refused_with_counts(sdxl: Any, tmp_path: Path) -> None:
    plain = latents(sdxl._pipe)
    path = lora_files.write(tmp_path / "style.safetensors", {TO_Q: (640, 640), TO_K: (640, 640)})

    with pytest.raises(LoraIncompatible, match="of its 2 modules 0 have the names and shapes"):
        sdxl.apply_loras(one(path), KEEP)

    assert torch.equal(latents(sdxl._pipe), plain)


def test_one_for_the_text_encoders_alone_is_refused(sdxl: Any, tmp_path: Path) -> None:
    encoder = {"layers.0.self_attn.q_proj": (16, 16)}
    named = {f"encoder.{name}": shape for name, shape in encoder.items()}
    path = lora_files.write(tmp_path / "style.safetensors", {}, "kohya", encoders={1: named})

    with pytest.raises(LoraIncompatible, match=r"of its 1 modules 1 have .* none of those makes"):
        sdxl.apply_loras(one(path), 0)


def test_when_one_of_two_does_not_fit_neither_acts(sdxl: Any, tmp_path: Path) -> None:
    plain = latents(sdxl._pipe)
    good = lora_files.write(tmp_path / "good.safetensors", {TO_Q: (16, 16)})
    bad = lora_files.write(tmp_path / "bad.safetensors", {TO_Q: (32, 32)})

    with pytest.raises(LoraIncompatible, match="The LoRA bad"):
        sdxl.apply_loras([LoraFile("good", good, 1), LoraFile("bad", bad, 1)], KEEP)

    assert torch.equal(latents(sdxl._pipe), plain)


def test_a_damaged_file_and_one_that_is_gone_are_told_apart(sdxl: Any, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{not json at all}")
    with pytest.raises(LoraIncompatible, match="damaged"):
        sdxl.apply_loras(one(damaged), 0)
    with pytest.raises(LoraMissing, match="style"):
        sdxl.apply_loras(one(tmp_path / "gone.safetensors"), 0)


def test_a_type_that_cannot_be_applied_is_refused(sdxl: Any, tmp_path: Path) -> None:
    path = tmp_path / "oft.safetensors"
    save_file({f"lora_unet_{TO_Q.replace('.', '_')}.oft_blocks": np.zeros((4, 4, 4), "f4")}, path)
    with pytest.raises(LoraIncompatible, match="type oft"):
        sdxl.apply_loras(one(path), 0)


def test_dora_needs_plain_weights(tiny: Folder, tmp_path: Path) -> None:
    model = load("sdxl-base", tiny("sdxl-base"))
    model._pipe.unet.to(torch.float8_e4m3fn)
    path = lora_files.write(tmp_path / "d.safetensors", {TO_Q: (16, 16)}, "kohya", "dora")
    with pytest.raises(LoraIncompatible, match="without quantization"):
        model.apply_loras(one(path), 0)


def test_weight_0_is_as_if_it_were_not_there(sdxl: Any, tmp_path: Path) -> None:
    path = lora_files.write(tmp_path / "style.safetensors", {TO_Q: (16, 16)})
    assert torch.equal(with_loras(sdxl, (path, 0.0)), latents(sdxl._pipe))


def test_another_file_of_the_same_name_takes_its_place(sdxl: Any, tmp_path: Path) -> None:
    path = tmp_path / "style.safetensors"
    first = with_loras(sdxl, (lora_files.write(path, {TO_Q: (16, 16)}), 1.0), keep_bytes=KEEP)
    other = lora_files.write(path, {TO_Q: (16, 16)}, rank=8, seed=1)
    second = with_loras(sdxl, (other, 1.0), keep_bytes=KEEP)

    assert not torch.equal(first, second)
    assert torch.equal(with_loras(sdxl, (other, 1.0)), second)


def test_those_in_memory_are_not_read_again_and_the_oldest_go_first(
    sdxl: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from server.worker import lora_stack

    read: list[str] = []
    load_file = lora_stack.load

    def noted(lora: LoraFile, modules: Any) -> Any:
        read.append(lora.id)
        return load_file(lora, modules)

    monkeypatch.setattr(lora_stack, "load", noted)
    loras = [
        LoraFile(name, lora_files.write(tmp_path / f"{name}.safetensors", {TO_Q: (16, 16)}), 1)
        for name in "abc"
    ]
    two = 2 * loras[0].path.stat().st_size
    for lora in (*loras[:2], *loras[:2], *loras, *loras[1:], loras[0]):
        sdxl.apply_loras([lora], two)
    sdxl.apply_loras((), 0)
    sdxl.apply_loras(loras[:1], 0)
    sdxl.apply_loras((), 0)

    assert read == ["a", "b", "c", "a", "a"]


# More, through a worker and with text encoders: test_lora_sequences.py.
@pytest.mark.parametrize("jobs", [10, pytest.param(50, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", FAMILIES)
def test_nothing_stays_behind_in_a_random_sequence(
    name: str, jobs: int, tiny: Folder, tmp_path: Path
) -> None:
    model = load(name, tiny(name))
    layers = modules_of(lora_merging.denoiser(model._pipe))
    paths = [
        lora_files.write(
            tmp_path / f"{number}.safetensors",
            dict(list(layers.items())[number::2]),
            network=network,
            gain=0.2,
            seed=number,
        )
        for number, network in enumerate(("lora", "lokr", "loha", "dora"))
    ]
    wrong = lora_files.write(tmp_path / "wrong.safetensors", {"no.such": (4, 4)})
    sets = [(), ((0, 1.0),), ((0, -0.5), (1, 0.7)), ((2, 1.2),), ((3, 0.6), (2, 0.4))]
    fresh = [
        with_loras(load(name, tiny(name)), *((paths[number], weight) for number, weight in chosen))
        for chosen in sets
    ]
    choice = random.Random(5)
    for _ in range(jobs):
        number = choice.randrange(len(sets))
        if choice.random() < 0.2:
            with pytest.raises(LoraIncompatible):
                model.apply_loras(one(wrong), KEEP)
        chosen = [(paths[lora], weight) for lora, weight in sets[number]]
        found = with_loras(model, *chosen, keep_bytes=choice.choice((0, 10_000, KEEP)))
        assert torch.equal(found, fresh[number])
