"""A LoRA at weight w gives what the model gives whose weights are W + w · (alpha / r) · B · A."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from server.plugins.types import LoraFile
from tests.families import lora_files, lora_merging, plain_diffusers
from tests.families.lora_files import modules_of
from tests.families.lora_models import FAMILIES, latents, load, with_loras

pytestmark = [
    # torch's tensors do not know numpy 2's `copy` argument yet, and schedulers convert them.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy"),
    pytest.mark.usefixtures("one_thread"),
]

#: The network types, and by how much two ways to compute one may differ, of the largest latent.
NETWORKS = lora_files.NETWORKS
CLOSE = 5e-4

Folder = Callable[[str], Path]


@pytest.fixture(scope="module")
def ours(tiny: Folder) -> Callable[[str], Any]:
    """The family's own loaded model, by the pipeline's name; loaded once."""
    loaded: dict[str, Any] = {}

    def get(name: str) -> Any:
        if name not in loaded:
            loaded[name] = load(name, tiny(name))
        return loaded[name]

    return get


def merged(
    folder: Path,
    *loras: tuple[Path, float],
    fused: Mapping[str, tuple[str, ...]] | None = None,
) -> Tensor:
    """What plain diffusers makes with the LoRAs merged by hand."""
    pipe = plain_diffusers.load(folder)
    for path, weight in loras:
        lora_merging.merge(pipe, path, weight, fused)
    return latents(pipe)


def apart(one: Tensor, other: Tensor) -> float:
    """The largest difference, as a share of the largest number."""
    return float((one - other).abs().max() / other.abs().max())


@pytest.mark.parametrize("layout", ["peft", "kohya"])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_lora_equals_its_change_merged_by_hand(
    name: str, layout: str, tiny: Folder, ours: Callable[[str], Any], tmp_path: Path
) -> None:
    model = ours(name)
    linear = modules_of(lora_merging.denoiser(model._pipe))
    path = lora_files.write(
        tmp_path / "style.safetensors",
        linear,
        layout,
        alpha=2.0 if layout == "kohya" else None,
        gain=0.3,
    )
    plain = with_loras(model)

    found = with_loras(model, (path, 0.8))

    expected = merged(tiny(name), (path, 0.8))
    assert apart(found, expected) < CLOSE
    assert apart(found, plain) > 20 * CLOSE
    assert torch.equal(with_loras(model), plain)


@pytest.mark.parametrize("name", FAMILIES)
def test_two_at_once_and_negative_weights_add_up(
    name: str, tiny: Folder, ours: Callable[[str], Any], tmp_path: Path
) -> None:
    model = ours(name)
    linear = modules_of(lora_merging.denoiser(model._pipe))
    first = lora_files.write(tmp_path / "a.safetensors", linear, "peft", gain=0.3)
    some = dict(list(linear.items())[::2])
    second = lora_files.write(tmp_path / "b.safetensors", some, "kohya", alpha=3, seed=1, gain=0.3)

    found = with_loras(model, (first, -0.5), (second, 1.3))

    expected = merged(tiny(name), (first, -0.5), (second, 1.3))
    assert apart(found, expected) < CLOSE
    assert apart(found, merged(tiny(name), (first, -0.5))) > 20 * CLOSE


@pytest.mark.parametrize("layout", ["peft", "kohya"])
def test_the_text_encoders_are_changed_too(
    layout: str, tiny: Folder, ours: Callable[[str], Any], tmp_path: Path
) -> None:
    model = ours("sdxl-base")
    pipe = model._pipe
    encoders = {
        number: {
            name.removeprefix("text_model."): shape
            for name, shape in modules_of(encoder).items()
            if ".layers." in name
        }
        for number, encoder in ((1, pipe.text_encoder), (2, pipe.text_encoder_2))
    }
    few = {"mid_block.attentions.0.transformer_blocks.0.attn1.to_q": (16, 16)}
    path = lora_files.write(
        tmp_path / "style.safetensors", few, layout, encoders=encoders, alpha=1, gain=0.3
    )

    (match,) = model.apply_loras([LoraFile("style", path, 0.7)], 0)
    found = with_loras(model, (path, 0.7))

    count = 1 + sum(map(len, encoders.values()))
    assert (match.matched, match.total, match.text_encoder) == (count, count, True)
    assert apart(found, merged(tiny("sdxl-base"), (path, 0.7))) < CLOSE
    plain = lora_files.write(tmp_path / "plain.safetensors", few, layout, alpha=1, gain=0.3)
    assert apart(found, with_loras(model, (plain, 0.7))) > 20 * CLOSE


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_type_on_linear_layers_and_convolutions(
    network: str, tiny: Folder, ours: Callable[[str], Any], tmp_path: Path
) -> None:
    model = ours("sdxl-base")
    everything = modules_of(model._pipe.unet)
    path = lora_files.write(
        tmp_path / "style.safetensors", everything, "kohya", network, rank=2, alpha=1.5, gain=0.2
    )

    (match,) = model.apply_loras([LoraFile("style", path, 1.0)], 0)
    found = with_loras(model, (path, 1.0))

    assert match.matched == match.total == len(everything)
    assert apart(found, merged(tiny("sdxl-base"), (path, 1.0))) < CLOSE
    assert apart(found, with_loras(model)) > 20 * CLOSE


def test_a_weight_between_0_and_1_leads_from_the_model_to_dora(
    ours: Callable[[str], Any], tmp_path: Path
) -> None:
    model = ours("sdxl-base")
    layer = model._pipe.unet.mid_block.attentions[0].transformer_blocks[0].attn1.to_q
    name = "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
    path = lora_files.write(tmp_path / "d.safetensors", {name: (16, 16)}, "kohya", "dora")
    x = torch.randn(3, 16, generator=torch.Generator().manual_seed(1))
    plain, outputs = layer(x), []
    for weight in (0.25, 1.0):
        model.apply_loras([LoraFile("d", path, weight)], 0)
        outputs.append(layer(x))
    model.apply_loras((), 0)

    quarter, whole = (output - plain for output in outputs)

    assert torch.allclose(quarter, 0.25 * whole, atol=1e-6)
    assert float(whole.abs().max()) > 0.1


#: Modules as the authors of FLUX.1 have them, and the rows that are diffusers' modules.
FUSED = {
    "double_blocks_0_img_attn_qkv": tuple(
        f"transformer_blocks.0.attn.to_{part}" for part in ("q", "k", "v")
    ),
    "double_blocks_0_txt_attn_qkv": tuple(
        f"transformer_blocks.0.attn.add_{part}_proj" for part in ("q", "k", "v")
    ),
    "single_blocks_0_linear1": (
        *(f"single_transformer_blocks.0.attn.to_{part}" for part in ("q", "k", "v")),
        "single_transformer_blocks.0.proj_mlp",
    ),
}


@pytest.mark.parametrize("network", ["lora", "loha", "lokr", "lokr_full", "dora"])
def test_rows_of_fused_modules_reach_the_modules_they_belong_to(
    network: str, tiny: Folder, ours: Callable[[str], Any], tmp_path: Path
) -> None:
    model = ours("flux-dev")
    own = modules_of(model._pipe.transformer)
    shapes = {
        name: (sum(own[target][0] for target in targets), own[targets[0]][1])
        for name, targets in FUSED.items()
    }
    path = lora_files.write(
        tmp_path / "style.safetensors", shapes, "kohya", network, alpha=2, gain=0.5
    )

    found = with_loras(model, (path, 0.9))

    expected = merged(tiny("flux-dev"), (path, 0.9), fused=FUSED)
    assert apart(found, expected) < CLOSE
    assert apart(found, with_loras(model)) > 20 * CLOSE
