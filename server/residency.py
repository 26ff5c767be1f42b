"""Which model is the current one, and which are in a worker's memory, on the disk, or missing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from server.catalog import ModelCatalog
from server.errors import JobFailure, ModelLoadFailed, ModelNotFound
from server.memory import Memory
from server.plugins.types import ModelCard, ModelFamily
from server.snapshots import ModelState

log = logging.getLogger(__name__)

CURRENT_MODEL = "current_model"


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """A model as clients see it.

    Attributes:
        size_bytes: what its card says; 0 when it says nothing.
        disk_bytes: what its weights take on this machine; 0 when they are not all here.
        resident_bytes: what they take in memory; 0 when they are not there.
        state: loaded, in_ram, loading, downloading, on_disk, missing or failed.
        error: why it is missing or failed, and what to do.
    """

    id: str
    aliases: tuple[str, ...]
    family: str
    title: str
    description: str
    license: str
    size_bytes: int
    disk_bytes: int
    resident_bytes: int
    state: str
    error: str | None
    current: bool
    capabilities: list[str]


class Residency:
    """What workers said about their models, over what lies on the disk; and the current model, to
    which requests go that name none."""

    def __init__(self, catalog: ModelCatalog) -> None:
        self.current = catalog.default
        self.downloading: Callable[[str], bool] = lambda model: False
        self._catalog = catalog
        self._states: dict[str, ModelState] = {}
        self._failures: dict[str, str] = {}

    def recall(self, memory: Memory) -> None:
        """The current model of the last run is it again, if it was chosen. Blocks."""
        chosen = memory.recall(CURRENT_MODEL)
        # A default that was configured since then is the newer wish.
        if chosen is None or chosen["default"] != self._catalog.default:
            return
        try:
            family, card = self._catalog.find(chosen["model"])
            if family.begins_with_words(card):
                self.current = card.id
        except ModelNotFound:
            log.warning(
                "The current model %s is not there any more (is its plugin missing?); %s is used.",
                chosen["model"],
                self.current,
            )

    async def choose(self, model: str, memory: Memory) -> str:
        """Make this the current model, also after a restart, if it makes images from words; its id.

        Raises:
            ModelNotFound
        """
        family, card = self._catalog.find(model)
        if not family.begins_with_words(card):
            return card.id
        chosen = {"model": card.id, "default": self._catalog.default}
        await asyncio.to_thread(memory.remember, CURRENT_MODEL, chosen)
        self.current = card.id
        return card.id

    def status(self, model: str) -> ModelStatus:
        """One model and its state. Blocks.

        Raises:
            ModelNotFound
        """
        return self._status(*self._catalog.find(model))

    def all(self) -> list[ModelStatus]:
        """Every model and its state. Blocks."""
        return [self._status(family, card) for family, card in self._catalog.cards()]

    def in_memory(self) -> list[ModelState]:
        """What workers said of the models whose weights are on the device (`loaded`) or have left
        it for RAM (`in_ram`), by their ids."""
        there = [told for told in self._states.values() if told.state in ("loaded", "in_ram")]
        return sorted(there, key=lambda told: told.model)

    def is_loaded(self, card: ModelCard) -> bool:
        """Whether a job of this model would begin at once."""
        return self._told(card.id).state == "loaded"

    def note(self, message: ModelState) -> None:
        """A worker's word."""
        self._states[message.model] = message
        if message.state == "failed":
            log.warning("%s could not be loaded: %s", message.model, message.message)

    def fetched(self, model: str, failure: JobFailure | None) -> None:
        """A model's download has ended."""
        self._failures.pop(model, None)
        if failure is not None:
            self._failures[model] = failure.message

    def _told(self, model: str) -> ModelState:
        """The worker's last word on a model."""
        return self._states.get(model, ModelState(model, "unloaded"))

    def _status(self, family: ModelFamily, card: ModelCard) -> ModelStatus:
        size, reason = self._on_disk(card)
        told = self._told(card.id)
        state, error = self._state(card.id, told, reason)
        return ModelStatus(
            id=card.id,
            aliases=card.aliases,
            family=family.name,
            title=card.title,
            description=card.description,
            license=card.license,
            size_bytes=card.size_bytes,
            disk_bytes=size,
            resident_bytes=told.bytes,
            state=state,
            error=error,
            current=card.id == self.current,
            capabilities=sorted(family.capabilities),
        )

    def _state(self, model: str, told: ModelState, reason: str | None) -> tuple[str, str | None]:
        """A model's `state` and `error`; `reason` is why its weights are not here."""
        if self.downloading(model):
            return "downloading", None
        if told.state != "unloaded":
            return told.state, told.message or None
        if reason is None:
            return "on_disk", None
        failure = self._failures.get(model)
        return ("missing", reason) if failure is None else ("failed", failure)

    def _on_disk(self, card: ModelCard) -> tuple[int, str | None]:
        """The bytes of the weights, and why they are not here."""
        try:
            return self._catalog.disk_bytes(card), None
        except ModelLoadFailed as error:
            return 0, error.message
