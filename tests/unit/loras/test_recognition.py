"""Which family a file goes to."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from server import lora_tensors
from server.loras.recognition import Recognition, fault_of, network_of
from server.plugins.types import ModelFamily
from tests.unit.loras.builders import families, family

SHAPES = {
    "lora_unet_blocks_0_to_q.lora_down.weight": (2, 8),
    "lora_unet_blocks_0_to_q.lora_up.weight": (8, 2),
}


def silent(*some: ModelFamily) -> Recognition:
    def fault(name: str, text: str) -> None:
        raise AssertionError(text)

    return Recognition(families(*some), fault)


def test_names_and_shapes_together_decide() -> None:
    assert silent().claims(SHAPES, {}) == (("oak",), True)
    wide = {
        name: tuple(12 if size == 8 else size for size in shape) for name, shape in SHAPES.items()
    }
    assert silent().claims(wide, {}) == (("elm",), True)
    assert silent().claims({name.replace("to_q", "to_x"): (2, 2) for name in SHAPES}, {}) == (
        (),
        True,
    )


def test_of_several_the_base_model_decides() -> None:
    both = silent(family("oak", base="flux"), family("elm", base="flux.2", width=8))
    claims, _ = both.claims(SHAPES, {})
    assert claims == ("oak", "elm")
    assert both.decide(claims, ["Flux.1 D"]) == ("oak", None)
    assert both.decide(claims, ["Flux.2 Klein"]) == ("elm", None), "the longer word is nearer"
    assert both.decide(claims, ["my own mix", "Flux.2 D"]) == ("elm", None)
    assert both.decide(claims, ["Flux.1 D", "Flux.2 D"]) == ("oak", None), "the most trusted"
    name, reason = both.decide(claims, ["Pony"])
    assert name is None
    assert reason is not None and "`oak` and `elm`" in reason and "Pony" in reason


def test_the_base_model_alone_decides_nothing() -> None:
    name, reason = silent().decide((), ["oak 1.0"])
    assert name is None and reason is not None
    assert reason.startswith("No model family here knows its layers.") and "oak 1.0" in reason
    assert silent().decide(("gone",), [])[0] is None


def test_a_file_that_is_said_to_be_for_another_model_is_not_taken_by_its_shapes() -> None:
    some = silent(family("oak", base="flux.1", relatives=("chroma", "flux")), family("elm"))
    assert some.decide(("oak",), []) == ("oak", None)
    assert some.decide(("oak",), ["Flux.1 D"]) == ("oak", None), "a nearer name than the relative's"
    assert some.decide(("oak",), ["my own mix", "Wan 2.2"]) == ("oak", None), "nobody knows these"
    assert some.decide(("oak",), ["flux.1", "chroma"]) == ("oak", None), "the most trusted counts"
    for told in (["Chroma"], ["Flux.2 D"], ["elm 1.0"], ["my own mix", "CHROMA HD", "flux.1"]):
        name, reason = some.decide(("oak",), told)
        said = next(word for word in told if word != "my own mix")
        assert name is None and reason is not None
        assert reason == f"Its layers fit `oak`, but its metadata say that it is for {said}."
    name, reason = some.decide(("oak", "elm"), ["Chroma"])
    assert name is None and reason is not None and "for Chroma" in reason
    assert some.decide(("oak", "elm"), ["elm 2"]) == ("elm", None)


def test_the_families_that_claim_a_file_tell_the_width_of_its_model() -> None:
    def raises(shapes: Mapping[str, tuple[int, ...]]) -> int:
        raise KeyError("to_q")

    both = silent(family("oak", width_of=lambda shapes: 8), family("elm", width_of=raises))
    assert both.widths(("oak",), SHAPES) == ({"oak": 8}, True)
    assert silent(family("oak", width_of=lambda shapes: None)).widths(("oak",), SHAPES) == (
        {},
        True,
    )
    assert silent().widths(("oak", "elm"), SHAPES) == ({}, True)
    told: list[tuple[str, str]] = []
    some = families(family("oak", width_of=raises))
    recognition = Recognition(some, lambda name, text: told.append((name, text)))
    assert recognition.widths(("oak",), SHAPES) == ({}, False)
    assert [name for name, _ in told] == ["oak"] and "KeyError: 'to_q'" in told[0][1]


def test_a_family_that_raises_is_told_and_the_others_are_asked() -> None:
    def raises(shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str]) -> bool:
        raise KeyError("to_q")

    told: list[tuple[str, str]] = []
    some = families(family("elm", recognizes_lora=raises), family("oak"))
    recognition = Recognition(some, lambda name, text: told.append((name, text)))
    assert recognition.claims(SHAPES, {}) == (("oak",), False)
    assert [name for name, _ in told] == ["elm"] and "KeyError: 'to_q'" in told[0][1]


def of(*roles: str, modules: int = 1) -> dict[str, tuple[int, ...]]:
    """The shapes of modules of rank 2 with these tensors each."""
    sizes = {"alpha": (), "dora_scale": (8, 1), "lora_down.weight": (2, 8), "hada_w1_b": (2, 8)}
    sizes |= {"hada_w2_b": (2, 8)}
    return {
        f"lora_unet_blocks_{number}_{'_'.join(roles)}.{role}": sizes.get(role, (8, 2))
        for number in range(modules)
        for role in roles
    }


LORA, LOHA = (
    ("lora_down.weight", "lora_up.weight"),
    ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"),
)


@pytest.mark.parametrize(
    ("shapes", "network", "usable"),
    [
        (of(*LORA, modules=20) | of("alpha"), "lora", True),
        (of(*LORA, modules=20) | of("dora_scale", "alpha"), "lora", True),
        (of(*LORA, modules=20) | of("lora_down.weight"), "lora", True),
        (of(*LORA, modules=2) | of("lora_down.weight", modules=2), "lora", True),
        (of(*LORA, modules=2) | of("lora_down.weight", modules=3), "incomplete", False),
        (of("lora_up.weight"), "incomplete", False),
        (of(*LORA, "dora_scale", modules=2) | of("lora_down.weight"), "dora", True),
        (of(*LOHA, modules=2) | of(*LOHA, "dora_scale"), "dora", True),
        (of(*LORA) | of("lora_down.weight", "lora_up.weight", "oft_diag"), "oft", False),
    ],
)
def test_modules_that_lack_a_part_do_not_spoil_a_file_of_complete_ones(
    shapes: dict[str, tuple[int, ...]], network: str, usable: bool
) -> None:
    tensors = lora_tensors.read(shapes)
    assert network_of(tensors) == network
    assert (fault_of(tensors, shapes) is None) == usable


def test_a_file_whose_complete_modules_are_text_encoders_alone_is_none() -> None:
    encoder = {name.replace("unet", "te1"): shape for name, shape in of(*LORA, modules=3).items()}
    shapes = encoder | of("lora_down.weight")
    fault = fault_of(lora_tensors.read(shapes), shapes)
    assert fault is not None and "text encoders only" in fault


@pytest.mark.parametrize(
    "other",
    [
        (family("oak"),),
        (family("oak"), family("elm", base="another")),
        (family("oak"), family("elm", folder=None), family("ash", width=3)),
        (family("oak"), family("elm", width_of=max)),
    ],
)
def test_the_fingerprint_changes_with_the_families(other: tuple[ModelFamily, ...]) -> None:
    assert silent(*other).fingerprint() != silent().fingerprint()
    assert silent().fingerprint() == silent().fingerprint()
