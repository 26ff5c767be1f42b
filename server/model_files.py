"""The files of models: where they are on this machine, and how they come here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from server.config import Settings
from server.errors import ModelLoadFailed
from server.plugins.types import ModelCard, ModelFamily
from server.snapshots import Weights
from server.source_errors import SourceFailed
from server.sources.client import SourceClient
from server.sources.kinds import Hub, Local, Package, Reference
from server.sources.manifest import Selection
from server.sources.progress import Listener
from server.sources.pull import pull
from server.sources.references import parse
from server.sources.sites import Sites
from server.sources.store import ModelStore

#: A source of a card and which of its files are wanted.
Wanted: TypeAlias = tuple[Reference, Selection]

#: What a card's sources are for, besides the components that come from elsewhere.
SOURCE, CONFIG = "", "config"


class ModelFiles:
    """Finds the files of cards, and fetches those that are missing."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sites = Sites.from_environment(settings.civitai_url)
        self.store = ModelStore(settings.folders.models, self._sites.hub_cache)

    def find(self, family: ModelFamily, card: ModelCard) -> Weights:
        """Where the card's files lie. Blocks.

        Raises:
            ModelLoadFailed: they are not (all) on this machine; the message says what to do.
        """
        paths: dict[str, str] = {}
        for purpose, wanted in self._wanted(family, card):
            path = self.store.locate(*wanted)
            if path is None:
                raise ModelLoadFailed(_advice(card, wanted[0]))
            paths[purpose] = str(path)
        source, config = paths.pop(SOURCE), paths.pop(CONFIG, None)
        return Weights(path=source, components=paths, config=config)

    def can_fetch(self, family: ModelFamily, card: ModelCard) -> bool:
        """Whether something is missing, and all that is can be downloaded. Blocks."""
        try:
            missing = self._missing(family, card)
        except ModelLoadFailed:
            return False
        return bool(missing) and not any(isinstance(item, Package | Local) for item, _ in missing)

    async def fetch(self, family: ModelFamily, card: ModelCard, progress: Listener) -> None:
        """Download what is missing, one source after the other.

        Raises:
            SourceFailed: one of its kinds.
            ModelLoadFailed: a part must be on this machine already, and is not.
        """
        settings = self._settings
        done: list[Wanted] = []
        async with SourceClient(
            self._sites, allow_private=settings.allow_private_sources
        ) as client:
            # A repository's listing tells whether it is a single file, which needs more.
            while missing := await asyncio.to_thread(self._missing, family, card):
                reference, selection = wanted = missing[0]
                if isinstance(reference, Package | Local):
                    raise ModelLoadFailed(_advice(card, reference))
                if wanted in done:
                    raise SourceFailed(f"{reference} was downloaded, and yet files are missing.")
                await pull(
                    reference,
                    self.store,
                    client,
                    selection=selection,
                    progress=progress,
                    parallel=settings.max_downloads,
                )
                done.append(wanted)

    def disk_bytes(self, weights: Weights) -> int:
        """Bytes of a model's weights on this machine. Blocks."""
        return sum(map(_size, {weights["path"], *weights["components"].values()}))

    def _missing(self, family: ModelFamily, card: ModelCard) -> list[Wanted]:
        """What of the card is not on this machine."""
        wanted = [each for _, each in self._wanted(family, card)]
        return [each for each in wanted if self.store.locate(*each) is None]

    def _wanted(self, family: ModelFamily, card: ModelCard) -> list[tuple[str, Wanted]]:
        """What the card consists of, each with what it is for.

        Raises:
            ModelLoadFailed: a source cannot be understood.
        """
        try:
            return list(self._sources(family, card))
        except (ValueError, SourceFailed) as error:
            raise ModelLoadFailed(f"The source of `{card.id}`: {error}") from error

    def _sources(self, family: ModelFamily, card: ModelCard) -> Iterator[tuple[str, Wanted]]:
        without = frozenset(card.components)
        source = parse(card.source), Selection(card.variant, without)
        yield SOURCE, source
        for name, place in card.components.items():
            yield name, (parse(place), Selection())
        if card.config is not None and self._is_file(source):
            yield CONFIG, (parse(card.config), Selection(card.variant, without, family.file_parts))

    def _is_file(self, wanted: Wanted) -> bool:
        """Whether a source is a single file, as far as can be known before it is here."""
        path = self.store.locate(*wanted)
        if path is not None:
            return path.is_file()
        reference = wanted[0]
        return reference.is_file if isinstance(reference, Hub) else True


def _advice(card: ModelCard, missing: Reference) -> str:
    if isinstance(missing, Local):
        return f"The weights are not where the card says: {missing.path}"
    if isinstance(missing, Package):
        return f"The weights are missing from the package {missing.name}: install it again."
    return f"`{card.id}` is not on this machine: `darkroom models pull {card.id}` fetches it."


def _size(place: str) -> int:
    path = Path(place)
    files = [path] if path.is_file() else path.rglob("*.safetensors")
    return sum(file.stat().st_size for file in files)
