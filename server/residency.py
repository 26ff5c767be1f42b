"""Which models are in a worker's memory, on the disk, or missing."""

from __future__ import annotations

from dataclasses import dataclass

from server.catalog import ModelCatalog
from server.errors import ModelLoadFailed
from server.plugins.types import ModelCard, ModelFamily
from server.snapshots import ModelState


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """A model as clients see it. `state` is loaded, loading, on_disk, missing or failed."""

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
    """What workers said about their models, over what lies on the disk."""

    def __init__(self, catalog: ModelCatalog) -> None:
        self._catalog = catalog
        self._states: dict[str, str] = {}

    def note(self, message: ModelState) -> None:
        """A worker's word."""
        self._states[message.model] = message.state

    def state(self, card: ModelCard) -> str:
        """One of `ModelStatus`'s states."""
        told = self._states.get(card.id, "unloaded")
        if told != "unloaded":
            return told
        try:
            self._catalog.weights(card)
        except ModelLoadFailed:
            return "missing"
        return "on_disk"

    def status(self, family: ModelFamily, card: ModelCard, *, current: bool) -> ModelStatus:
        """The card with its state."""
        return ModelStatus(
            id=card.id,
            aliases=card.aliases,
            family=family.name,
            title=card.title,
            description=card.description,
            license=card.license,
            size_bytes=card.size_bytes,
            state=self.state(card),
            current=current,
            capabilities=sorted(family.capabilities),
        )
