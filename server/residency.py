"""Which model is the current one, and which are in a worker's memory, on the disk, or missing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from server.catalog import ModelCatalog
from server.errors import ModelLoadFailed, ModelNotFound
from server.memory import Memory
from server.plugins.types import Executor, ModelCard, ModelFamily
from server.snapshots import ModelState

log = logging.getLogger(__name__)

CURRENT_MODEL = "current_model"


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """A model as clients see it. `state` is loaded, loading, downloading, on_disk, missing or
    failed."""

    id: str
    aliases: tuple[str, ...]
    family: str
    title: str
    description: str
    license: str
    size_bytes: int
    state: str
    current: bool
    capabilities: list[str]


class Residency:
    """What workers said about their models, over what lies on the disk; and the current model, to
    which requests go that name none."""

    def __init__(self, catalog: ModelCatalog, executor: Executor) -> None:
        self.current = catalog.default
        self.downloading: Callable[[str], bool] = lambda model: False
        self._catalog = catalog
        self._executor = executor
        self._states: dict[str, str] = {}

    def recall(self, memory: Memory) -> None:
        """The current model of the last run is it again, if it was chosen. Blocks."""
        chosen = memory.recall(CURRENT_MODEL)
        # A default that was configured since then is the newer wish.
        if chosen is None or chosen["default"] != self._catalog.default:
            return
        try:
            self.current = self._catalog.find(chosen["model"])[1].id
        except ModelNotFound:
            log.warning(
                "The current model %s is not there any more (is its plugin missing?); %s is used.",
                chosen["model"],
                self.current,
            )

    async def choose(self, model: str, memory: Memory) -> str:
        """Make this the current model, also after a restart; its id.

        Raises:
            ModelNotFound
        """
        _, card = self._catalog.find(model)
        chosen = {"model": card.id, "default": self._catalog.default}
        await asyncio.to_thread(memory.remember, CURRENT_MODEL, chosen)
        self.current = card.id
        return card.id

    def status(self, model: str) -> ModelStatus:
        """One model and its state.

        Raises:
            ModelNotFound
        """
        return self._status(*self._catalog.find(model))

    def unload(self, model: str) -> ModelStatus:
        """Free this model's memory when nothing runs.

        Raises:
            ModelNotFound
        """
        family, card = self._catalog.find(model)
        self._executor.unload(card.id)
        return self._status(family, card)

    def note(self, message: ModelState) -> None:
        """A worker's word."""
        self._states[message.model] = message.state
        if message.state == "failed":
            log.warning("%s could not be loaded: %s", message.model, message.message)

    def state(self, card: ModelCard) -> str:
        """One of `ModelStatus`'s states."""
        if self.downloading(card.id):
            return "downloading"
        told = self._states.get(card.id, "unloaded")
        if told != "unloaded":
            return told
        try:
            self._catalog.weights(card)
        except ModelLoadFailed:
            return "missing"
        return "on_disk"

    def all(self) -> list[ModelStatus]:
        """Every model and its state."""
        return [self._status(family, card) for family, card in self._catalog.cards()]

    def _status(self, family: ModelFamily, card: ModelCard) -> ModelStatus:
        return ModelStatus(
            id=card.id,
            aliases=card.aliases,
            family=family.name,
            title=card.title,
            description=card.description,
            license=card.license,
            size_bytes=card.size_bytes,
            state=self.state(card),
            current=card.id == self.current,
            capabilities=sorted(family.capabilities),
        )
