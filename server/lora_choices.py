"""Which LoRAs a model can use, and why it cannot use another."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from server.catalog import ModelCatalog
from server.lora_errors import LoraNotFound
from server.lora_tensors import NetworkType
from server.loras.record import LoraRecord
from server.plugins.types import ModelCard, ModelFamily
from server.quantization import way_of
from server.wording import shortened

#: How many LoRAs a message proposes.
A_HANDFUL = 5


class LoraLookup(Protocol):
    """Where LoRAs are known, `server.loras.registry` say."""

    def find(self, name: str) -> LoraRecord:
        """The LoRA with this id, or another name of it.

        Raises:
            LoraNotFound: there is none, or more than one; the message tells which are near.
        """

    def usable(self, family: str) -> list[LoraRecord]:
        """Those that models of this family can use."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a model cannot use a LoRA: the machine's word for it, and sentences for people."""

    kind: str
    text: str


class LoraChoices:
    """The LoRAs of a lookup, beside the models of a catalog."""

    def __init__(self, catalog: ModelCatalog, lookup: LoraLookup) -> None:
        self._catalog = catalog
        self._lookup = lookup

    def usable(self, family: ModelFamily, card: ModelCard) -> list[LoraRecord]:
        """Those that this model can use."""
        found = self._lookup.usable(family.name)
        return [record for record in found if _fits(record, card)]

    def ids(self, family: ModelFamily, card: ModelCard) -> list[str]:
        """The ids of those."""
        return [record.id for record in self.usable(family, card)]

    def choose(self, name: str, family: ModelFamily, card: ModelCard) -> LoraRecord | Refusal:
        """The LoRA of this name, or why the model cannot use it and what would work."""
        try:
            record = self._lookup.find(name)
        except LoraNotFound as error:
            return Refusal(error.code, f"{error.message} {self._proposal(name, family, card)}")
        if record.unsupported is not None or record.family is None:
            reason = record.unsupported or "No family of models here recognises it."
            text = f"{shown(record)} cannot be used. {reason} {self._proposal(name, family, card)}"
            return Refusal("lora_unsupported", text)
        if record.family != family.name:
            text = (
                f"{shown(record)} is not for {card.id}. {self._models_for(record)} "
                f"{self._proposal(name, family, card)}"
            )
            return Refusal("lora_wrong_family", text)
        if _has_other_size(record, card):
            text = (
                f"{shown(record)} is for a model of another size than {card.id}. "
                f"{self._models_for(record)} {self._proposal(name, family, card)}"
            )
            return Refusal("lora_wrong_size", text)
        if _needs_plain_weights(record, card):
            way = way_of(card.source, card.quantization)
            text = (
                f"{shown(record)} is a DoRA, which needs a model's weights as they are, and those "
                f"of {card.id} are quantized ({way}). {self._models_for(record)} "
                f"{self._proposal(name, family, card)}"
            )
            return Refusal("lora_unsupported", text)
        return record

    def _models_for(self, record: LoraRecord) -> str:
        of_family = [card for family, card in self._catalog.cards() if family.name == record.family]
        found = [card.id for card in of_family if _fits(record, card)]
        if of_family and not found:
            return "No model here can use it."
        if not found:
            return f"It is for models of the family {record.family!r}; there is none here."
        return f"It works with {', '.join(found)}."

    def _proposal(self, name: str, family: ModelFamily, card: ModelCard) -> str:
        usable = self.usable(family, card)
        if not usable:
            return f"There is no LoRA for {card.id} here."
        return f"LoRAs for {card.id}: {', '.join(shown(record) for record in _near(name, usable))}."


def shown(record: LoraRecord) -> str:
    """A LoRA in a message: its id, and what people call it."""
    return f"{record.id} ({shortened(record.name)})" if record.name != record.id else record.id


def _fits(record: LoraRecord, card: ModelCard) -> bool:
    """Whether a model can use a LoRA of its family."""
    return not _has_other_size(record, card) and not _needs_plain_weights(record, card)


def _has_other_size(record: LoraRecord, card: ModelCard) -> bool:
    return None not in (record.width, card.lora_width) and record.width != card.lora_width


def _needs_plain_weights(record: LoraRecord, card: ModelCard) -> bool:
    """DoRA's lengths are those of the sum of the weights and the change."""
    ways = (
        way_of(source, card.quantization) for source in (card.source, *card.components.values())
    )
    return record.network_type == NetworkType.DORA and any(way is not None for way in ways)


def _near(name: str, usable: list[LoraRecord]) -> list[LoraRecord]:
    """The nearest first, then others."""
    names = {word.casefold(): record for record in usable for word in _names(record)}
    wanted = shortened(name, 200).casefold()
    near = difflib.get_close_matches(wanted, names, n=A_HANDFUL)
    # Several names may be one LoRA's.
    ordered = {record.id: record for record in (*(names[word] for word in near), *usable)}
    return list(ordered.values())[:A_HANDFUL]


def _names(record: LoraRecord) -> Iterator[str]:
    yield from (record.id, record.name, record.path.stem)
