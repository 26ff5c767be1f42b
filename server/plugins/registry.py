"""The families and cards that were announced and are sound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from server.errors import ConfigurationError
from server.model_entry import ModelEntry
from server.plugins.checks import card_faults, family_faults
from server.plugins.configured import configured_card
from server.plugins.types import ModelCard, ModelFamily
from server.wording import describe


class ModelRegistry:
    """Families by name and cards by model id, each in the order of announcement.

    What comes first keeps its name; the methods return what is wrong with what comes later.
    """

    families: Mapping[str, ModelFamily]
    cards: Mapping[str, tuple[ModelFamily, ModelCard]]
    configured: Mapping[str, ModelCard]

    def __init__(self) -> None:
        self._families: dict[str, ModelFamily] = {}
        self._cards: dict[str, tuple[ModelFamily, ModelCard]] = {}
        self._providers: dict[str, str] = {}
        self._model_names: dict[str, str] = {}
        self._configured: dict[str, ModelCard] = {}
        self.families = MappingProxyType(self._families)
        self.cards = MappingProxyType(self._cards)
        self.configured = MappingProxyType(self._configured)

    def provider(self, family: str) -> str:
        """The plugin that announced `family`.

        Raises:
            KeyError: nobody did.
        """
        return self._providers[family]

    def family_of(self, model: str) -> ModelFamily | None:
        """The family with a card of this id."""
        found = self._cards.get(model)
        return found[0] if found else None

    def accept(self, provider: str, item: object) -> list[str]:
        """Take in what plugin `provider` announced as a family, as far as it is sound.

        Returns:
            Its faults. A faulty family is refused, a faulty card alone is left out.
        """
        if not isinstance(item, ModelFamily):
            return [
                f"register_model_families returned {item!r} among its families: return "
                "`ModelFamily` objects."
            ]
        try:
            return list(self._family_faults(provider, item) or self._add(provider, item))
        except Exception as error:  # noqa: BLE001 - fields of types that the contract forbids
            return [f"Family {item.name!r} cannot be read: {describe(error)}. Correct its types."]

    def configure(self, entry: ModelEntry) -> None:
        """Take in a model of the configuration: a new one, or one of the cards changed.

        Raises:
            ConfigurationError: it does not fit the families, or a name is taken.
        """
        family, card = configured_card(entry, self._families, self._cards)
        provider = self._providers[family.name]
        known = self._cards.get(card.id)
        for name in () if known is None else (card.id, *known[1].aliases):
            del self._model_names[name]
        taken = " ".join(self._taken_names(provider, card))
        if taken:
            raise ConfigurationError(f"[[models]] {entry.id}: {taken}")
        self._enter(provider, family, card)
        self._configured[card.id] = card

    def _family_faults(self, provider: str, family: ModelFamily) -> list[str]:
        owner = self._providers.get(family.name)
        if owner is not None:
            return [
                f"Family `{family.name}` of plugin {provider} is already announced by plugin "
                f"{owner}: rename it or remove one of the two."
            ]
        return list(family_faults(family))

    def _add(self, provider: str, family: ModelFamily) -> Iterator[str]:
        cards = tuple(family.cards)
        self._providers[family.name] = provider
        self._families[family.name] = family
        for card in cards:
            faults = [*card_faults(family, card)] or [*self._taken_names(provider, card)]
            yield from faults
            if not faults:
                self._enter(provider, family, card)

    def _enter(self, provider: str, family: ModelFamily, card: ModelCard) -> None:
        self._model_names.update(dict.fromkeys((card.id, *card.aliases), provider))
        self._cards[card.id] = (family, card)

    def _taken_names(self, provider: str, card: ModelCard) -> Iterator[str]:
        for name in (card.id, *card.aliases):
            if name in self._model_names:
                yield (
                    f"Model `{card.id}` of plugin {provider}: the name `{name}` is already a model "
                    f"of plugin {self._model_names[name]}; choose another id or alias."
                )
