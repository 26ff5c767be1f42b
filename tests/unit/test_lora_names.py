"""From others' names of modules to the loaded model's, and what a file's names and shapes say."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import pytest

from server.lora_names import LoraNames, Proportions, Recognized, Target, each, recognize
from server.lora_tensors import Shape

NAMES = LoraNames(
    own=(
        "blocks.{}.attn.to_q",
        "blocks.{}.attn.to_k",
        "blocks.{}.ff.net.2",
        "levels.{}.blocks.{}.conv_in",
        "norm_out.linear",
        "embed.2-1",
    ),
    others={
        "layers.{}.qk": ("blocks.{}.attn.to_q", "blocks.{}.attn.to_k"),
        "layers.{}.mlp": "blocks.{}.ff.net.2",
        "input_blocks.4.{}": "levels.1.blocks.{}.conv_in",
        "final.1": Target(("norm_out.linear",), halves_swapped=True),
    },
    text_encoders={"te1": "text_encoder"},
)

PROPORTIONS: Proportions = {
    "blocks.{}.attn.to_q": (1, 1),
    "blocks.{}.attn.to_k": (1, 1),
    "blocks.{}.ff.net.2": (1, 4),
    "levels.{}.blocks.{}.conv_in": (Fraction(8, 3), 1),
}


def file_of(modules: Mapping[str, tuple[int, int]], prefix: str = "") -> dict[str, Shape]:
    """The shapes of a LoRA of rank 4 for weights of these sizes."""
    down = {f"{prefix}{name}.lora_A.weight": (4, size[1]) for name, size in modules.items()}
    up = {f"{prefix}{name}.lora_B.weight": (size[0], 4) for name, size in modules.items()}
    return {**down, **up}


def recognized(modules: Mapping[str, tuple[int, int]]) -> Recognized:
    found = recognize(NAMES, file_of(modules))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "modules"),
    [
        ("blocks.3.attn.to_q", ("blocks.3.attn.to_q",)),
        ("blocks_3_attn_to_q", ("blocks.3.attn.to_q",)),
        ("blocks.3.attn.to.q", ("blocks.3.attn.to_q",)),
        ("blocks.12.ff.net.2", ("blocks.12.ff.net.2",)),
        ("blocks_12_ff_net_2", ("blocks.12.ff.net.2",)),
        ("levels_0_blocks_7_conv_in", ("levels.0.blocks.7.conv_in",)),
        ("embed_2-1", ("embed.2-1",)),
        ("layers.3.qk", ("blocks.3.attn.to_q", "blocks.3.attn.to_k")),
        ("layers_3_mlp", ("blocks.3.ff.net.2",)),
        ("input_blocks_4_1", ("levels.1.blocks.1.conv_in",)),
    ],
)
def test_a_name_means_modules(name: str, modules: tuple[str, ...]) -> None:
    target = NAMES.resolve(name)
    assert target is not None
    assert target.modules == modules
    assert not target.halves_swapped


@pytest.mark.parametrize(
    "name",
    [
        "",
        "blocks",
        "blocks.x.attn.to_q",
        "blocks.٣.attn.to_q",
        "blocks.3.attn.to_q.0",
        "blocks.3.ff.net.0",
        "input_blocks.5.1",
        "Blocks.3.attn.to_q",
    ],
)
def test_other_names_mean_nothing(name: str) -> None:
    assert NAMES.resolve(name) is None


def test_halves_are_swapped_only_where_they_are_halves() -> None:
    target = NAMES.resolve("final.1")
    assert target == Target(("norm_out.linear",), halves_swapped=True)
    assert target.swaps((64, 32))
    assert not target.swaps((192, 32))
    assert not Target(("norm_out.linear",)).swaps((64, 32))


def test_a_module_is_of_a_template() -> None:
    assert NAMES.template("levels.1.blocks.2.conv_in") == "levels.{}.blocks.{}.conv_in"
    for other in ("layers.3.mlp", "layers.3.qk", "nothing"):
        with pytest.raises(ValueError, match=other):
            NAMES.template(other)


def test_names_that_mean_nothing_of_the_models_are_strangers() -> None:
    others = {
        "fine.{}": "blocks.{}.attn.to_q",
        "fine_too": "levels.2.blocks.0.conv_in",
        "mistyped.{}": "block.{}.attn.to_q",
        "half.{}": ("blocks.{}.attn.to_q", "blocks.{}.attn.to_w"),
        "without_number": "blocks.{}.attn.to_k",
    }
    assert NAMES.strangers() == set()
    found = LoraNames(own=NAMES.own, others=others).strangers()
    assert found == {"mistyped.{}", "half.{}", "without_number"}


def test_tables_of_blocks_and_their_layers() -> None:
    assert each({"a.{}": "b.{}"}, {"x": "y"}) == {"a.{}.x": "b.{}.y"}
    assert each({"a": "b", "c": "d"}, ("x",)) == {"a.x": "b.x", "c.x": "d.x"}


def test_what_a_file_says() -> None:
    found = recognized(
        {
            "blocks.2.attn.to_q": (32, 32),
            "layers.11.qk": (64, 32),
            "levels.0.blocks.5.conv_in": (85, 32),
        }
    )
    assert (found.known, found.total) == (3, 3)
    assert found.modules == {
        "blocks.2.attn.to_q",
        "blocks.11.attn.to_q",
        "blocks.11.attn.to_k",
        "levels.0.blocks.5.conv_in",
    }
    assert found.sizes[("blocks.{}.attn.to_q",)] == {(32, 32)}
    assert found.sizes[("blocks.{}.attn.to_q", "blocks.{}.attn.to_k")] == {(64, 32)}
    assert found.highest("blocks") == 11
    assert found.highest("levels") == 0
    assert found.highest("layers") == -1
    assert found.inputs("to_k") == {32}
    assert found.inputs("net.2") == frozenset()


@pytest.mark.parametrize(
    ("modules", "width"),
    [
        ({"blocks.0.attn.to_q": (32, 32)}, 32),
        ({"layers.0.qk": (64, 32)}, 32),
        ({"blocks.0.ff.net.2": (32, 128), "layers.0.qk": (64, 32)}, 32),
        ({"levels.0.blocks.0.conv_in": (85, 32)}, 32),
        ({"blocks.0.attn.to_q": (32, 32), "norm_out.linear": (7, 9)}, 32),
        ({"norm_out.linear": (64, 32)}, None),
        ({"blocks.0.attn.to_q": (32, 64)}, None),
        ({"layers.0.qk": (96, 32)}, None),
        ({"blocks.0.ff.net.2": (32, 127)}, None),
        ({"blocks.0.attn.to_q": (32, 32), "blocks.1.attn.to_q": (64, 64)}, None),
    ],
)
def test_the_width_of_the_model(modules: Mapping[str, tuple[int, int]], width: int | None) -> None:
    assert recognized(modules).width(PROPORTIONS) == width


def test_a_file_is_no_familys_that_knows_less_than_most_of_it() -> None:
    known = {f"blocks.{number}.attn.to_q": (8, 8) for number in range(9)}
    foreign = {"stranger.0": (8, 8), "stranger.1": (8, 8)}
    assert recognize(NAMES, file_of(known)) is not None
    assert recognize(NAMES, file_of({**known, "stranger.0": (8, 8)})) is not None
    assert recognize(NAMES, file_of({**known, **foreign})) is None
    assert recognize(NAMES, file_of(foreign)) is None
    assert recognize(NAMES, {}) is None


def test_a_file_is_no_familys_that_lacks_its_text_encoders() -> None:
    denoiser = file_of({"blocks.0.attn.to_q": (8, 8)}, "transformer.")
    first = file_of({"layers.0.fc1": (8, 8)}, "text_encoder.")
    second = file_of({"layers.0.fc1": (8, 8)}, "text_encoder_2.")
    found = recognize(NAMES, {**denoiser, **first})
    assert found is not None
    assert found.parts == {"te1"}
    assert recognize(NAMES, {**denoiser, **second}) is None
    assert recognize(NAMES, first) is None
