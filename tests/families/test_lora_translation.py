"""What the families say modules are called is what diffusers' own converters make of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import pytest
import torch
from diffusers.loaders import single_file_utils as converters
from torch import Tensor

from server.lora_names import LoraNames
from tests.families.lora_files import modules_of, original_modules
from tests.families.original_keys import DENOISERS
from tests.families.published_parts import MODELS, denoiser, stand_in

State = dict[str, Tensor]

#: diffusers' converter of the authors' checkpoints, by family.
CONVERTERS: Mapping[str, Callable[..., State]] = {
    "sdxl": converters.convert_ldm_unet_checkpoint,
    "flux": converters.convert_flux_transformer_checkpoint_to_diffusers,
    "flux2": converters.convert_flux2_transformer_checkpoint_to_diffusers,
    "z_image": converters.convert_z_image_transformer_checkpoint_to_diffusers,
    "sd3": converters.convert_sd3_transformer_checkpoint_to_diffusers,
}


def names_of(model: str) -> LoraNames:
    names: LoraNames = import_module(f"model_plugins.{MODELS[model]}.lora").NAMES
    return names


def numbered(model: str) -> State:
    """A checkpoint in the authors' layout whose weights are a column each, with a number of its own
    for every row."""
    state = DENOISERS[stand_in(model)](dict(denoiser(model).state_dict()))
    rows = 0
    for key, tensor in state.items():
        count = tensor.shape[0]
        column = torch.arange(rows, rows + count, dtype=torch.float64)
        state[key] = column if tensor.dim() == 1 else column[:, None]
        rows += count
    return state


def converted(model: str, state: State) -> State:
    """What diffusers makes of it."""
    options = {"config": dict(denoiser(model).config)} if MODELS[model] == "sdxl" else {}
    return CONVERTERS[MODELS[model]](dict(state), **options)


@pytest.mark.parametrize("model", MODELS)
def test_every_layer_of_the_model_is_known_by_its_own_name(model: str) -> None:
    names = names_of(model)
    layers = list(modules_of(denoiser(model)))

    found = {layer: names.resolve(layer) for layer in layers}
    underscored = {layer: names.resolve(layer.replace(".", "_")) for layer in layers}

    assert len(layers) > 100
    for layer in layers:
        assert found[layer] == underscored[layer]
        target = found[layer]
        assert target is not None and target.modules == (layer,)
        assert not target.halves_swapped


@pytest.mark.parametrize("model", MODELS)
def test_every_name_of_the_authors_means_the_rows_that_diffusers_takes_from_it(model: str) -> None:
    names, state = names_of(model), numbered(model)
    layers = original_modules(stand_in(model), denoiser(model))
    prefix = "model.diffusion_model."
    weights = {key.removeprefix(prefix): tensor for key, tensor in state.items()}
    ours = converted(model, state)

    for layer in layers:
        target = names.resolve(layer)
        assert target is not None, layer
        parts = [ours[f"{module}.weight"].flatten() for module in target.modules]
        theirs = weights[f"{layer}.weight"].flatten()
        size = (theirs.numel(), layers[layer][1])
        expected = theirs.roll(theirs.numel() // 2) if target.swaps(size) else theirs
        assert torch.equal(torch.cat(parts), expected), layer
    taken = {module for layer in layers for module in _modules(names, layer)}
    assert taken == set(modules_of(denoiser(model)))


def _modules(names: LoraNames, layer: str) -> tuple[str, ...]:
    target = names.resolve(layer)
    return () if target is None else target.modules


@pytest.mark.parametrize("model", [model for model in MODELS if model.startswith("sd-3")])
def test_only_the_last_block_of_a_text_has_its_halves_swapped(model: str) -> None:
    names, sizes = names_of(model), original_modules(stand_in(model), denoiser(model))
    ending = "context_block.adaLN_modulation.1"
    swapped = {
        int(layer.split(".")[1])
        for layer, size in sizes.items()
        if layer.endswith(ending)
        for target in (names.resolve(layer),)
        if target is not None and target.swaps((size[0], size[1]))
    }
    assert swapped == {{"sd-3.5-large": 37, "sd-3.5-medium": 23}[model]}


def test_the_processors_of_xlabs_stand_for_what_they_wrap() -> None:
    names = names_of("flux-dev")
    meant: dict[str, Any] = {
        "double_blocks.3.processor.qkv_lora1": ("to_q", "to_k", "to_v"),
        "double_blocks.3.processor.qkv_lora2": ("add_q_proj", "add_k_proj", "add_v_proj"),
        "double_blocks.3.processor.proj_lora1": ("to_out.0",),
        "double_blocks.3.processor.proj_lora2": ("to_add_out",),
    }
    for name, layers in meant.items():
        target = names.resolve(name)
        assert target is not None
        assert target.modules == tuple(f"transformer_blocks.3.attn.{layer}" for layer in layers)
    single = names.resolve("single_blocks.7.processor.qkv_lora")
    out = names.resolve("single_blocks.7.processor.proj_lora")
    assert single is not None and out is not None
    assert single.modules == tuple(
        f"single_transformer_blocks.7.attn.{layer}" for layer in ("to_q", "to_k", "to_v")
    )
    assert out.modules == ("single_transformer_blocks.7.proj_out",)


@pytest.mark.parametrize("family", sorted({*MODELS.values(), "postcard"}))
def test_every_other_name_means_modules_of_the_model(family: str) -> None:
    names = import_module(f"model_plugins.{family}.lora").NAMES
    assert names.strangers() == set()
