"""The models as AUTOMATIC1111's clients see them, and which of them is in use there."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from server.errors import ModelNotFound
from server.http.host import DialectHost
from server.plugins.types import ModelCard, ModelFamily
from server.wording import shortened


@dataclass(frozen=True, slots=True)
class Chosen:
    """A model, and what the client called it; None where it named none."""

    card: ModelCard
    named: str | None = None


def title(card: ModelCard) -> str:
    """A model's name in `sd_model_checkpoint`; the id in it makes it the model's own."""
    return f"{card.title} [{card.id}]"


class Checkpoints:
    """The models that make images from words. The choice among them is this dialect's own, kept
    from run to run: our own current model stays what it is."""

    def __init__(self, host: DialectHost) -> None:
        self._host = host
        self._key = f"{host.name}.model"

    def all(self) -> list[tuple[ModelFamily, ModelCard]]:
        """Every one, in the catalog's order."""
        cards = self._host.service.catalog.cards()
        return [(family, card) for family, card in cards if family.begins_with_words(card)]

    def find(self, name: str) -> Chosen:
        """The model with this title, id or alias.

        Raises:
            ModelNotFound
        """
        titles = {title(card): card.id for _, card in self.all()}
        family, card = self._host.model(titles.get(name, name))
        if not family.begins_with_words(card):
            raise ModelNotFound(f"{shortened(name)!r} makes no images from words. Name another.")
        return Chosen(card, card.id if name in titles else name)

    async def in_use(self) -> Chosen:
        """The one that was chosen here, else the dialect's or the current model."""
        name = await asyncio.to_thread(self._host.service.memory.recall, self._key)
        if isinstance(name, str):
            try:
                return self.find(name)
            except ModelNotFound:  # it was uninstalled since
                return Chosen(self._host.model(None)[1])
        return Chosen(self._host.model(None)[1])

    async def choose(self, name: str) -> None:
        """Use this model for requests that name none, also after a restart.

        Raises:
            ModelNotFound
        """
        if name == title((await self.in_use()).card):
            return  # clients send all settings back to change one: that chooses nothing
        named = self.find(name).named
        await asyncio.to_thread(self._host.service.memory.remember, self._key, named)
