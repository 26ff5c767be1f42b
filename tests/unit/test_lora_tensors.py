"""Names and shapes of a LoRA's tensors: parts, modules, roles, network types, sizes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.lora_tensors import DENOISER, LoraModule, LoraTensors, NetworkType, Shape, read
from server.safetensors_header import read as read_header
from tests.families.lora_files import LAYOUTS, NETWORKS, write

LINEAR = {"down_blocks.1.attentions.0.proj_in": (32, 24)}
CONVOLUTION = {"down_blocks.1.resnets.0.conv1": (32, 24, 3, 3)}

#: What each network type of the tests' files is called, for linear layers and for convolutions.
TYPES = {
    "lora": (NetworkType.LORA, NetworkType.LOCON),
    "tucker": (NetworkType.LORA, NetworkType.LOCON),
    "dora": (NetworkType.DORA, NetworkType.DORA),
    "dora_columns": (NetworkType.DORA, NetworkType.DORA),
    "loha": (NetworkType.LOHA, NetworkType.LOHA),
    "loha_tucker": (NetworkType.LOHA, NetworkType.LOHA),
    "lokr": (NetworkType.LOKR, NetworkType.LOKR),
    "lokr_full": (NetworkType.LOKR, NetworkType.LOKR),
    "lokr_tucker": (NetworkType.LOKR, NetworkType.LOKR),
}


def of_file(path: Path) -> LoraTensors:
    header = read_header(path)
    return read({name: entry.shape for name, entry in header.tensors.items()})


def of(*keys: str, shape: Shape = (4, 4)) -> LoraTensors:
    return read(dict.fromkeys(keys, shape))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("network", NETWORKS)
def test_a_file_of_any_layout_and_type_is_read(layout: str, network: str, tmp_path: Path) -> None:
    path = write(
        tmp_path / "lora.safetensors",
        {**LINEAR, **CONVOLUTION},
        layout,
        network,
        rank=3,
        alpha=1.5,
        encoders={1: {"encoder.layers.0.mlp.fc1": (16, 8)}, 2: {"encoder.layers.1.fc2": (8, 16)}},
    )

    found = of_file(path)

    assert found.strange == ()
    assert found.parts == {DENOISER, "te1", "te2"}
    modules = {module.name.replace("_", "."): module for module in found.modules}
    assert len(found.modules) == 4
    linear = modules["down.blocks.1.attentions.0.proj.in"]
    convolution = modules["down.blocks.1.resnets.0.conv1"]
    assert linear.part == convolution.part == DENOISER
    assert (linear.network, convolution.network) == TYPES[network]
    assert linear.size == (32, 24)
    assert convolution.size in {(32, 24), (32, 24 * 9)}
    assert (convolution.size == (32, 24)) == (network not in ("loha", "lokr"))
    assert linear.rank == (None if network == "lokr_full" else 3)
    assert "alpha" in linear.shapes
    assert modules["encoder.layers.0.mlp.fc1"].part == "te1"
    assert modules["encoder.layers.1.fc2"].part == "te2"
    assert found.rank == (None if network == "lokr_full" else 3)


@pytest.mark.parametrize(
    ("key", "part", "name", "role"),
    [
        ("lora_unet_mid_block_0_proj.lora_down.weight", DENOISER, "mid_block_0_proj", "down"),
        ("lora_te_text_model_layers_0.lora_up.weight", "te1", "text_model_layers_0", "up"),
        ("lora_transformer_blocks_0_to_q.lora_down.weight", DENOISER, "blocks_0_to_q", "down"),
        ("lycoris_blocks_0.hada_w1_a", DENOISER, "blocks_0", "hada_w1_a"),
        ("transformer.blocks.0.to_q.lora_A.weight", DENOISER, "blocks.0.to_q", "down"),
        ("transformer.blocks.0.to_q.lora_B.default.weight", DENOISER, "blocks.0.to_q", "up"),
        ("base_model.model.blocks.0.to_q.lora_A.weight", DENOISER, "blocks.0.to_q", "down"),
        ("base_model.model.transformer.x.lora_A.weight", DENOISER, "x", "down"),
        ("model.diffusion_model.x.lora_down.weight", DENOISER, "x", "down"),
        ("unet.x.lora.down.weight", DENOISER, "x", "down"),
        ("unet.x.lora_linear_layer.up.weight", DENOISER, "x", "up"),
        ("unet.x.processor.to_q_lora.down.weight", DENOISER, "x.to_q", "down"),
        ("unet.x.processor.to_out_lora.up.weight", DENOISER, "x.to_out.0", "up"),
        (
            "double_blocks.0.processor.qkv_lora1.down.weight",
            DENOISER,
            "double_blocks.0.processor.qkv_lora1",
            "down",
        ),
        ("text_encoder.layers.0.lora_A.weight", "te1", "layers.0", "down"),
        ("text_encoder_2.layers.0.lora_A.weight", "te2", "layers.0", "down"),
        ("text_encoder_3.layers.0.lora_A.weight", "te3", "layers.0", "down"),
        ("base_model.model.text_encoder_2.layers.0.lora_A.weight", "te2", "layers.0", "down"),
        ("text_encoders.clip_l.transformer.x.lora_A.weight", "te1", "x", "down"),
        ("text_encoders.clip_g.transformer.x.lora_A.weight", "te2", "x", "down"),
        ("text_encoders.t5xxl.transformer.x.lora_A.weight", "te3", "x", "down"),
        ("blocks.0.to_q.lora_A.weight", DENOISER, "blocks.0.to_q", "down"),
    ],
)
def test_every_way_to_write_a_key(key: str, part: str, name: str, role: str) -> None:
    (module,) = of(key).modules
    assert (module.part, module.name) == (part, name)
    assert module.keys == {role: key}


@pytest.mark.parametrize(
    ("key", "change", "role"),
    [
        ("lora_te3_encoder_block_0.alpha", "lora_te3_encoder_block_0.lora_down.weight", "alpha"),
        ("diffusion_model.x.dora_scale", "diffusion_model.x.lora_A.weight", "magnitude"),
        ("unet.x.lora_magnitude_vector", "unet.x.lora_A.weight", "magnitude"),
        ("unet.x.lora_magnitude_vector.default", "unet.x.lora_A.default.weight", "magnitude"),
    ],
)
def test_what_stands_beside_a_change_is_of_its_module(key: str, change: str, role: str) -> None:
    (module,) = of(key, change).modules
    assert module.keys == {role: key, "down": change}


def test_what_should_stand_beside_a_change_and_is_alone_is_strange() -> None:
    found = of("x.alpha", "y.lora_A.weight", "y.lora_B.weight", "z.dora_scale")
    assert [module.name for module in found.modules] == ["y"]
    assert found.strange == ("x.alpha", "z.dora_scale")
    assert found.network is NetworkType.LORA


def test_of_two_adapters_in_one_file_the_first_counts() -> None:
    found = of("x.lora_down.0.weight", "x.lora_up.0.weight", "x.lora_down.1.weight")
    (module,) = found.modules
    assert module.keys == {"down": "x.lora_down.0.weight", "up": "x.lora_up.0.weight"}
    assert found.strange == ("x.lora_down.1.weight",)


@pytest.mark.parametrize(
    "shapes",
    [
        {"down": (4, 8), "up": (8, 8)},
        {"down": (0, 8), "up": (8, 0)},
        {"down": (4, 8, 1), "up": (8, 4)},
        {"down": (4, 8, 1, 1), "up": (8, 4, 1, 1), "mid": (4, 5, 3, 3)},
        {"down": (4, 8), "up": (8, 4), "magnitude": (7, 1)},
        {"down": (4, 8), "up": (8, 4), "alpha": (4,)},
        {"hada_w1_a": (8, 4), "hada_w1_b": (4, 8), "hada_w2_a": (9, 4), "hada_w2_b": (4, 8)},
        {"hada_w1_a": (8, 4), "hada_w1_b": (3, 8), "hada_w2_a": (8, 4), "hada_w2_b": (3, 8)},
        {"lokr_w1": (2,), "lokr_w2": (4, 4)},
        {"lokr_w1": (2, 2), "lokr_w2_a": (4, 3), "lokr_w2_b": (2, 4)},
        {"lokr_w1": (2, 2), "lokr_w2_a": (3, 4), "lokr_w2_b": (3, 4), "lokr_t2": (3, 2, 1, 1)},
    ],
)
def test_tensors_that_do_not_fit_each_other_have_no_size(shapes: Mapping[str, Shape]) -> None:
    module = LoraModule(DENOISER, "x", dict.fromkeys(shapes, "key"), shapes)
    assert module.network.supported
    assert module.size is None


@pytest.mark.parametrize(
    ("keys", "network"),
    [
        (("x.oft_blocks", "x.alpha"), NetworkType.OFT),
        (("x.oft_diag",), NetworkType.OFT),
        (("x.weight", "x.on_input"), NetworkType.IA3),
        (("x.a1.weight", "x.a2.weight", "x.b1.weight", "x.b2.weight"), NetworkType.GLORA),
        (("x.diff", "x.diff_b"), NetworkType.FULL),
        (("x.lora_A.weight", "x.lora_B.weight", "x.lora_B.bias"), NetworkType.FULL),
        (("x.lora_A.weight",), NetworkType.INCOMPLETE),
        (("x.hada_w1_a", "x.hada_w1_b", "x.hada_w2_a"), NetworkType.INCOMPLETE),
        (("x.lokr_w1", "x.lokr_w2_a"), NetworkType.INCOMPLETE),
    ],
)
def test_types_that_cannot_be_applied_are_told_apart(
    keys: tuple[str, ...], network: NetworkType
) -> None:
    found = of(*keys)
    assert found.network is network
    assert not network.supported
    assert found.modules[0].size is None


def test_a_file_is_called_after_its_least_supported_module() -> None:
    pair = ("lora_A.weight", "lora_B.weight")
    keys = [f"{module}.{role}" for module in ("x", "y") for role in pair]
    assert of(*keys).network is NetworkType.LORA
    assert of(*keys, "y.lora_magnitude_vector").network is NetworkType.DORA
    assert of(*keys, "y.lora_magnitude_vector", "z.oft_diag").network is NetworkType.OFT


def test_the_rank_is_that_of_most_modules() -> None:
    shapes = {f"{name}.lora_A.weight": (rank, 8) for name, rank in (("x", 4), ("y", 4), ("z", 64))}
    assert read(shapes).rank == 4


def test_tensors_of_no_role_are_named() -> None:
    found = of("model.layers.0.weight", "emb_params", "x.lora_A.weight", "x.lora_B.weight")
    assert found.strange == ("model.layers.0.weight", "emb_params")
    assert [module.name for module in found.modules] == ["x"]
    assert of("model.layers.0.weight").network is None


def test_a_module_that_is_called_like_a_role_is_a_module() -> None:
    (module,) = of("blocks.b1.lora_A.weight").modules
    assert module.name == "blocks.b1"
    assert of("blocks.b1").modules == ()


_PIECES = st.sampled_from(
    [
        *("lora_unet_", "lora_te1_", "lycoris_", "transformer.", "unet.", "base_model.model."),
        *("x", "0", ".", "_", "-1", "é", "\x00", "blocks", "weight", "bias", "alpha", "processor"),
        *(".lora_A", ".lora_B", ".lora_down", ".lora_up", ".lora_mid", ".dora_scale", ".diff"),
        *(".hada_w1_a", ".hada_t1", ".lokr_w1", ".lokr_w2_a", ".lokr_t2", ".a1", ".weight"),
        *(".to_q_lora", ".qkv_lora1", ".down", ".up"),
    ]
)
_KEYS = st.lists(_PIECES, max_size=7).map("".join) | st.text(max_size=30)
_SHAPES = st.lists(st.integers(0, 2**40), max_size=6).map(tuple)


@settings(max_examples=1000, deadline=None, database=None, derandomize=True)
@given(shapes=st.dictionaries(_KEYS, _SHAPES, max_size=12))
def test_no_names_and_no_shapes_are_too_odd(shapes: dict[str, Shape]) -> None:
    found = read(shapes)
    keys = [key for module in found.modules for key in module.keys.values()]
    assert sorted([*keys, *found.strange]) == sorted(shapes)
    for module in found.modules:
        assert module.network in NetworkType
        assert module.rank is None or module.rank >= 0
        assert module.size is None or len(module.size) == 2
    assert (found.network is None) == (not found.modules)
