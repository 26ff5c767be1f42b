"""From a `[[models]]` table of the configuration to a model's card."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from server.errors import ConfigurationError
from server.model_entry import ModelEntry
from server.plugins.checks import card_faults, nearest
from server.plugins.types import ModelCard, ModelFamily
from server.quantization import file_kind, misfit, missing_package, way_of

Cards = Mapping[str, tuple[ModelFamily, ModelCard]]

#: Sources that are one file each, whatever their ends: civitai's, and addresses but the hub's.
_ADDRESS = re.compile(
    r"([\w-]+:)*civitai:|https?://(?!((www\.)?huggingface\.co|hf\.co)/)", re.IGNORECASE
)


def configured_card(
    entry: ModelEntry, families: Mapping[str, ModelFamily], cards: Cards
) -> tuple[ModelFamily, ModelCard]:
    """The card that `entry` asks for: that of the model of its id, or of the model that `like`
    names, with the entry's words; or a new one of its family.

    Raises:
        ConfigurationError: a name is unknown, the entry's defaults are not the family's, or its
            weights cannot be held as it says.
    """
    family, card = _base(entry, families, cards)
    given = entry.given()
    if entry.source is not None:
        given.setdefault("config", _with_the_rest(card))
        card = _without_weights(card)
    given["defaults"] = {**card.defaults, **entry.defaults}
    if not entry.aliases:
        given.pop("aliases", None)
    card = replace(card, **given)
    faults = " ".join([*card_faults(family, card), *_held_faults(card)])
    if faults:
        raise _fault(entry, faults)
    return family, card


def _base(
    entry: ModelEntry, families: Mapping[str, ModelFamily], cards: Cards
) -> tuple[ModelFamily, ModelCard]:
    like = entry.like or entry.id
    if like in cards:
        family, card = cards[like]
        if entry.family not in (None, family.name):
            raise _fault(entry, f"`{like}` is of the family `{family.name}`.")
        if like != entry.id:
            card = replace(card, id=entry.id, title=entry.id, aliases=())
        return family, card
    if entry.like is not None:
        raise _fault(entry, f"`like`: there is no model `{like}`. {nearest(like, cards)}")
    if entry.family is None or entry.source is None:
        raise _fault(entry, "a new model needs `source`, and `family` or `like`.")
    if entry.family not in families:
        text = f"there is no family `{entry.family}`. {nearest(entry.family, families)}"
        raise _fault(entry, text)
    family = families[entry.family]
    rest = entry.source
    for first in family.cards[:1]:
        rest = _with_the_rest(cards.get(first.id, (family, first))[1])
    return family, ModelCard(entry.id, entry.id, rest)


def _with_the_rest(card: ModelCard) -> str:
    """Where a single file that replaces the card's weights finds what it lacks: where the card's
    own weights are, unless those are a single file too."""
    is_file = file_kind(card.source) is not None or _ADDRESS.match(card.source) is not None
    return card.config if is_file and card.config is not None else card.source


def _without_weights(card: ModelCard) -> ModelCard:
    """`card` without what is only true of its own weights."""
    return replace(card, license="", size_bytes=0, description="", variant=None, bundled=False)


def _held_faults(card: ModelCard) -> Iterator[str]:
    """Why the weights cannot be held as the card says; the settings know more of the device."""
    offload = card.offload or "auto"
    reason = misfit(card.source, card.quantization, offload=offload, device="auto")
    way = way_of(card.source, card.quantization)
    if reason is None and way is not None:
        reason = missing_package(way)
    if reason is not None:
        yield reason


def _fault(entry: ModelEntry, text: str) -> ConfigurationError:
    return ConfigurationError(f"[[models]] {entry.id}: {text}")
