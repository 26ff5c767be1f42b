"""From a `[[models]]` table of the configuration to a model's card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from server.errors import ConfigurationError
from server.model_entry import ModelEntry
from server.plugins.checks import card_faults, nearest
from server.plugins.types import ModelCard, ModelFamily

Cards = Mapping[str, tuple[ModelFamily, ModelCard]]


def configured_card(
    entry: ModelEntry, families: Mapping[str, ModelFamily], cards: Cards
) -> tuple[ModelFamily, ModelCard]:
    """The card that `entry` asks for: that of the model of its id, or of the model that `like`
    names, with the entry's words; or a new one of its family.

    Raises:
        ConfigurationError: a name is unknown, or the entry's defaults are not the family's.
    """
    family, card = _base(entry, families, cards)
    given = entry.given()
    if "source" in given:
        # A single file lacks what the model's own source has.
        given.setdefault("config", card.config or card.source)
    given["defaults"] = {**card.defaults, **entry.defaults}
    if not entry.aliases:
        given.pop("aliases", None)
    card = replace(card, **given)
    faults = " ".join(card_faults(family, card))
    if faults:
        raise ConfigurationError(f"[[models]] {entry.id}: {faults}")
    return family, card


def _base(
    entry: ModelEntry, families: Mapping[str, ModelFamily], cards: Cards
) -> tuple[ModelFamily, ModelCard]:
    like = entry.like or entry.id
    if like in cards:
        family, card = cards[like]
        if entry.family not in (None, family.name):
            raise _fault(entry, f"`{like}` is of the family `{family.name}`.")
        return family, card if like == entry.id else _another(card, entry.id)
    if entry.like is not None:
        raise _fault(entry, f"`like`: there is no model `{like}`. {nearest(like, cards)}")
    if entry.family is None or entry.source is None:
        raise _fault(entry, "a new model needs `source`, and `family` or `like`.")
    if entry.family not in families:
        text = f"there is no family `{entry.family}`. {nearest(entry.family, families)}"
        raise _fault(entry, text)
    family = families[entry.family]
    config = next((first.config or first.source for first in family.cards), None)
    return family, ModelCard(entry.id, entry.id, entry.source, config=config)


def _another(card: ModelCard, name: str) -> ModelCard:
    """`card` as the pattern of a new one: its own weights' facts do not carry over."""
    return replace(
        card, id=name, title=name, aliases=(), size_bytes=0, description="", bundled=False
    )


def _fault(entry: ModelEntry, text: str) -> ConfigurationError:
    return ConfigurationError(f"[[models]] {entry.id}: {text}")
