"""Which family a file goes to."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from server.loras.recognition import Recognition
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
    name, reason = both.decide(claims, ["Pony"])
    assert name is None
    assert reason is not None and "`oak` and `elm`" in reason and "Pony" in reason


def test_the_base_model_alone_decides_nothing() -> None:
    name, reason = silent().decide((), ["oak 1.0"])
    assert name is None and reason is not None
    assert reason.startswith("No model family here knows its layers.") and "oak 1.0" in reason
    assert silent().decide(("elm",), ["oak 1.0"]) == ("elm", None)
    assert silent().decide(("gone",), [])[0] is None


def test_a_family_that_raises_is_told_and_the_others_are_asked() -> None:
    def raises(shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str]) -> bool:
        raise KeyError("to_q")

    told: list[tuple[str, str]] = []
    some = families(family("elm", recognizes_lora=raises), family("oak"))
    recognition = Recognition(some, lambda name, text: told.append((name, text)))
    assert recognition.claims(SHAPES, {}) == (("oak",), False)
    assert [name for name, _ in told] == ["elm"] and "KeyError: 'to_q'" in told[0][1]


@pytest.mark.parametrize(
    "other",
    [
        (family("oak"),),
        (family("oak"), family("elm", base="another")),
        (family("oak"), family("elm", folder=None), family("ash", width=3)),
    ],
)
def test_the_fingerprint_changes_with_the_families(other: tuple[ModelFamily, ...]) -> None:
    assert silent(*other).fingerprint() != silent().fingerprint()
    assert silent().fingerprint() == silent().fingerprint()
