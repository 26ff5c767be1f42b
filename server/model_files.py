"""The files of models: where they are on this machine, and how they come here."""

from __future__ import annotations

from server.config import Settings
from server.errors import ModelLoadFailed, SourceFailed
from server.plugins.types import ModelCard
from server.snapshots import Weights
from server.sources.client import SourceClient
from server.sources.kinds import Local, Package, Reference
from server.sources.manifest import Selection
from server.sources.progress import Listener
from server.sources.pull import pull
from server.sources.references import parse
from server.sources.sites import Sites
from server.sources.store import ModelStore


class ModelFiles:
    """Finds the files of cards, and fetches those that are missing."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sites = Sites.from_environment(settings.civitai_url)
        self.store = ModelStore(settings.folders.models, self._sites.hub_cache)

    def find(self, card: ModelCard) -> Weights:
        """Where the card's files lie. Blocks.

        Raises:
            ModelLoadFailed: they are not (all) on this machine; the message says what to do.
        """
        if self.missing(card):
            raise ModelLoadFailed(self._advice(card))
        selection = _selection(card)
        components = {
            name: str(self.store.locate(parse(source))) for name, source in card.components.items()
        }
        path = self.store.locate(parse(card.source), selection)
        return Weights(path=str(path), components=components)

    def missing(self, card: ModelCard) -> list[Reference]:
        """What of the card is not on this machine. Blocks.

        Raises:
            ModelLoadFailed: its source cannot be understood.
        """
        try:
            wanted = [(parse(card.source), _selection(card))]
            wanted += [(parse(source), Selection()) for source in card.components.values()]
            return [
                reference
                for reference, selection in wanted
                if self.store.locate(reference, selection) is None
            ]
        except (ValueError, SourceFailed) as error:
            raise ModelLoadFailed(f"The source of `{card.id}`: {error}") from error

    def can_fetch(self, card: ModelCard) -> bool:
        """Whether something is missing, and all that is can be downloaded. Blocks."""
        try:
            missing = self.missing(card)
        except ModelLoadFailed:
            return False
        return bool(missing) and not any(isinstance(item, Package | Local) for item in missing)

    async def fetch(self, card: ModelCard, progress: Listener) -> None:
        """Download what is missing, one source after the other.

        Raises:
            SourceFailed: one of its kinds.
        """
        settings = self._settings
        async with SourceClient(
            self._sites, allow_private=settings.allow_private_sources
        ) as client:
            for reference in self.missing(card):
                assert not isinstance(reference, Package | Local), "see can_fetch"
                await pull(
                    reference,
                    self.store,
                    client,
                    selection=_selection(card),
                    progress=progress,
                    parallel=settings.max_downloads,
                )

    def _advice(self, card: ModelCard) -> str:
        (first, *_) = self.missing(card)
        if isinstance(first, Local):
            return f"The weights are not where the card says: {first.path}"
        if isinstance(first, Package):
            return f"The weights are missing from the package {first.name}: install it again."
        return f"`{card.id}` is not on this machine: `darkroom models pull {card.id}` fetches it."


def _selection(card: ModelCard) -> Selection:
    return Selection(variant=card.variant, without=frozenset(card.components))
