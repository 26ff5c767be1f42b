"""What a family says about LoRAs is checked at the start, and in what it loads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import darkroom
from darkroom import loras
from server.conformance import check
from server.plugins.checks import card_faults, family_faults
from server.plugins.discovery import Candidate
from server.plugins.manager import PluginManager

NAMES = loras.LoraNames(own=("blocks.{}.to_q",), others={"layers.{}.q": "blocks.{}.to_q"})


class Params(darkroom.GenerationParams):
    """Without LoRAs."""


class WithLoras(loras.LoraParams):
    """With LoRAs."""


def never(_shapes: Mapping[str, loras.Shape], _metadata: Mapping[str, str]) -> bool:
    """Recognises nothing."""
    return False


SUPPORT = loras.LoraSupport(names=NAMES, recognizes_lora=never)
MISTYPED = loras.LoraSupport(
    names=loras.LoraNames(own=NAMES.own, others={"layers.{}.q": "blocks.{}.to_k"}),
    recognizes_lora=never,
)


def family(
    params: type[darkroom.GenerationParams] = WithLoras,
    support: Any = SUPPORT,
    capabilities: tuple[str, ...] = ("loras",),
    cards: tuple[darkroom.ModelCard, ...] = (),
) -> darkroom.ModelFamily:
    """A family that says these words; the rest of it is sound."""
    return darkroom.ModelFamily(
        name="inks",
        title="Inks",
        params=params,
        load="server.conformance:check",
        cards=cards,
        capabilities=frozenset(capabilities),
        loras=support,
    )


def test_a_family_that_takes_loras_or_none_is_sound() -> None:
    assert list(family_faults(family())) == []
    assert list(family_faults(family(Params, None, ()))) == []


@pytest.mark.parametrize(
    ("faulty", "words"),
    [
        (family(support=None), ["capability `loras`", "announce a `LoraSupport`"]),
        (family(Params, None), ["capability `loras`", "announce a `LoraSupport`"]),
        (family(capabilities=()), ["it announces `loras`", "add the capability"]),
        (family(support="yes"), ["`loras` is 'yes'", "make it a `darkroom.loras.LoraSupport`"]),
        (family(Params), ["Params has no word for them", "derive it from `darkroom.loras."]),
        (family(support=None, capabilities=()), ["WithLoras is a `LoraParams`", "add a `LoraSup"]),
        (family(support=MISTYPED), ["`layers.{}.q` mean no templates of `own`", "correct them"]),
    ],
)
def test_words_that_contradict_each_other(faulty: darkroom.ModelFamily, words: list[str]) -> None:
    faults = " ".join(family_faults(faulty))
    assert faults.startswith("Family `inks`: ")
    assert all(word in faults for word in words)


def test_a_card_whose_requests_lack_the_familys_loras_is_refused() -> None:
    card = darkroom.ModelCard(id="sepia", title="Sepia", source=".", params=Params)
    (fault,) = card_faults(family(cards=(card,)), card)
    assert fault.startswith("Model `sepia`: the family takes LoRAs, but Params has no word")


class Plain:
    """A loaded model that forgot about LoRAs."""

    def generate(self, _task: Any, _on_step: Any) -> Iterator[Any]:
        """Yield nothing."""
        return iter(())

    def close(self) -> None:
        """Hold nothing."""


class Applying(Plain):
    """One that takes LoRAs."""

    lora_names = NAMES

    def apply_loras(self, files: Sequence[Any], _keep_bytes: int) -> list[Any]:
        """Match nothing."""
        return list(files)


class OtherNames(Applying):
    """One whose names are not those of its family."""

    lora_names = loras.LoraNames(own=())


class Chatty(Applying):
    """One that tells of LoRAs that nobody asked for."""

    def apply_loras(self, _files: Sequence[Any], _keep_bytes: int) -> list[Any]:
        """Match what is not there."""
        return ["ink"]


class Plugin:
    """Announces the family with the one card."""

    @darkroom.hookimpl
    def register_model_families(self) -> list[darkroom.ModelFamily]:
        """Announce."""
        return [family(cards=(darkroom.ModelCard(id="sepia", title="Sepia", source="."),))]

    @darkroom.hookimpl
    def load_model(self, card: darkroom.ModelCard) -> Plain:
        """What the test wants."""
        return self.loaded

    def __init__(self, loaded: Plain) -> None:
        self.loaded = loaded


@pytest.mark.parametrize(
    ("loaded", "message"),
    [
        (Plain(), "The family announces `loras`, but what `load` returns has no `apply_loras`."),
        (OtherNames(), "Its `lora_names` are not those of the family's `LoraSupport`: set them."),
        (Chatty(), "`apply_loras` returns a match for each LoRA, and none for no LoRAs."),
        (Applying(), ""),
    ],
)
def test_what_is_loaded_takes_the_loras_that_the_family_announces(
    loaded: Plain, message: str
) -> None:
    manager = PluginManager()
    manager.add(Candidate("ink_plugin", "1", "a test", __name__, lambda: Plugin(loaded)))

    findings = check(manager, "inks", weights=lambda card: Path(card.source))

    (finding,) = [item for item in findings if item.name == "takes LoRAs"]
    assert (finding.subject, finding.message) == ("sepia", message)
