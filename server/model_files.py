"""The files of models: where they are on this machine, and how they come here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from server.config import Settings
from server.errors import ModelLoadFailed
from server.plugins.types import ModelCard, ModelFamily
from server.snapshots import Weights
from server.source_errors import SourceFailed, SourceMissing, SourceUnreachable
from server.sources.client import SourceClient
from server.sources.kinds import Hub, Local, Package, Reference
from server.sources.manifest import Selection
from server.sources.progress import Listener
from server.sources.pull import pull
from server.sources.references import parse
from server.sources.sites import Sites
from server.sources.store import ModelStore
from server.wording import shown
from server.worker.components import part_of

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
        missing: list[Wanted] = []
        for purpose, wanted in self._wanted(family, card):
            path = self._locate(wanted)
            if path is None:
                missing.append(wanted)
            paths[purpose] = str(path)
        if missing:
            raise ModelLoadFailed(_advice(card, missing))
        source, config = paths.pop(SOURCE), paths.pop(CONFIG, None)
        return Weights(path=source, components=paths, config=config)

    def can_fetch(self, family: ModelFamily, card: ModelCard) -> bool:
        """Whether something is missing, and all that is can be downloaded. Blocks."""
        try:
            missing = self._missing(family, card)
        except ModelLoadFailed:
            return False
        return bool(missing) and _local(missing) is None

    async def fetch(self, family: ModelFamily, card: ModelCard, progress: Listener) -> None:
        """Download what is missing, one source after the other.

        Args:
            family: the card's family.
            card: the model.
            progress: is told the bytes of the sources that were missing, in all and so far; those
                of a source count in all when their turn comes.

        Raises:
            SourceFailed: one of its kinds.
            ModelLoadFailed: a part must be on this machine already, and is not.
        """
        settings = self._settings
        done: list[Wanted] = []
        sum_up = _Sum(progress)
        async with SourceClient(
            self._sites, allow_private=settings.allow_private_sources
        ) as client:
            # A repository's listing tells whether it is a single file, which needs more.
            while missing := await asyncio.to_thread(self._missing, family, card):
                reference, selection = wanted = missing[0]
                if isinstance(reference, Package | Local) or _local(missing):
                    raise ModelLoadFailed(_advice(card, missing))
                if wanted in done:
                    name = shown(str(reference))
                    raise SourceFailed(f"{name} was downloaded, and yet files are missing.")
                with _no_folder_either(card, reference):
                    await pull(
                        reference,
                        self.store,
                        client,
                        selection=selection,
                        progress=sum_up,
                        parallel=settings.max_downloads,
                    )
                done.append(wanted)
                sum_up.next()

    def disk_bytes(self, weights: Weights) -> int:
        """Bytes of a model's weights on this machine. Blocks.

        Raises:
            ModelLoadFailed: they cannot be read.
        """
        with _readable(weights["path"]):
            files = _weights(Path(weights["path"]))
            for name, place in weights["components"].items():
                files |= _weights(part_of(Path(place), name))
            return sum(file.stat().st_size for file in files)

    def downloads(self, family: ModelFamily, card: ModelCard) -> set[Path]:
        """The folders that downloads of the card fill, whether or not they are complete. Blocks.

        Raises:
            ModelLoadFailed: a source cannot be understood.
        """
        references = [reference for _, (reference, _) in self._wanted(family, card)]
        remote = [each for each in references if not isinstance(each, Package | Local)]
        return {folder for each in remote for folder in self.store.folders(each)}

    def _missing(self, family: ModelFamily, card: ModelCard) -> list[Wanted]:
        """What of the card is not on this machine."""
        wanted = [each for _, each in self._wanted(family, card)]
        return [each for each in wanted if self._locate(each) is None]

    def _locate(self, wanted: Wanted) -> Path | None:
        """Where a source lies, or None.

        Raises:
            ModelLoadFailed: that cannot be found out.
        """
        with _readable(shown(str(wanted[0]))):
            try:
                return self.store.locate(*wanted)
            except SourceFailed as error:
                raise ModelLoadFailed(error.message) from error

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
            yield name, (parse(place), Selection(card.variant, only=name))
        if card.config is not None and self._is_file(source):
            yield CONFIG, (parse(card.config), Selection(card.variant, without, family.file_parts))

    def _is_file(self, wanted: Wanted) -> bool:
        """Whether a source is a single file, as far as can be known before it is here."""
        path = self._locate(wanted)
        if path is not None:
            return path.is_file()
        reference = wanted[0]
        return reference.is_file if isinstance(reference, Hub) else True


class _Sum:
    """Adds up the downloads of one source after the other for a listener."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._before = self._there = 0

    def __call__(self, there: int, total: int | None) -> None:
        self._there = there
        in_all = None if total is None else self._before + total
        self._listener(self._before + there, in_all)

    def next(self) -> None:
        """The next source begins."""
        self._before += self._there
        self._there = 0


@contextmanager
def _readable(place: str) -> Iterator[None]:
    """What the disk refuses to say, as a `ModelLoadFailed`."""
    try:
        yield
    except OSError as error:
        raise ModelLoadFailed(f"{place} cannot be read: {error.strerror or error}.") from error


@contextmanager
def _no_folder_either(card: ModelCard, reference: Reference) -> Iterator[None]:
    """Of `a/b`, which the hub does not have, say that it is no folder either."""
    try:
        yield
    except (SourceMissing, SourceUnreachable) as error:
        if not (isinstance(reference, Hub) and _could_be_folder(card, reference)):
            raise
        text = f"{error.message} There is no local folder {reference.repo} either."
        raise type(error)(text) from error


def _could_be_folder(card: ModelCard, reference: Hub) -> bool:
    """Whether the card names a repository by a text that could mean a folder, too."""
    return reference.repo in {card.source, card.config, *card.components.values()}


def _advice(card: ModelCard, missing: Iterable[Wanted]) -> str:
    reference = _local(missing)
    if isinstance(reference, Local):
        return f"The weights are not where the card says: {reference.path}"
    if isinstance(reference, Package):
        return f"The weights are missing from the package {reference.name}: install it again."
    return f"`{card.id}` is not on this machine: `darkroom models pull {card.id}` fetches it."


def _local(missing: Iterable[Wanted]) -> Package | Local | None:
    """The first of the sources that no download brings."""
    return next((each for each, _ in missing if isinstance(each, Package | Local)), None)


def _weights(place: Path) -> set[Path]:
    return {place} if place.is_file() else set(place.rglob("*.safetensors"))
