"""Brings LoRAs to this machine: looks for them, downloads, checks, and puts them in place."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from server.config import Settings
from server.loras.assembly import Lora
from server.loras.companions import companions, download_record
from server.loras.contents import check_is_lora
from server.loras.offers import Offer, find_offer
from server.loras.placing import Beside, place
from server.loras.record import LoraRecord
from server.loras.references import LoraReference, Number, RemoteLora, name_of
from server.loras.registry import LoraRegistry
from server.loras.sidecars import ENDINGS, RECORD
from server.loras.staging import Staging, clear
from server.source_errors import (
    DiskFull,
    FileTooLarge,
    OfflineSource,
    SourceFailed,
    SourceMissing,
    SourceUnauthorized,
    SourceUnreachable,
)
from server.sources.client import SourceClient
from server.sources.download import fetch, in_thread, unheard, writing
from server.sources.formats import refuse_pickle
from server.sources.kinds import Civitai, Local
from server.sources.progress import Listener
from server.sources.sites import Sites

log = logging.getLogger(__name__)

#: What leaves a part of a file worth keeping.
_RESUMABLE = (SourceUnreachable, DiskFull, OfflineSource)


@dataclass(frozen=True, slots=True)
class Added:
    """A LoRA that is here now; whether it was before, and what should be said about it."""

    record: LoraRecord
    was_here: bool
    notes: tuple[str, ...] = ()


class LoraAdder:
    """Adds LoRAs to a folder. Several may be added at a time, on one event loop; other processes
    may do the same."""

    def __init__(
        self,
        folder: Path,
        registry: LoraRegistry,
        client: Callable[[], SourceClient],
        *,
        limit: int,
    ) -> None:
        """
        Args:
            folder: of the LoRAs.
            registry: knows what is there.
            client: makes clients, which are opened and closed here.
            limit: the setting `max_lora_bytes`.
        """
        self._folder = folder
        self._registry = registry
        self._client = client
        self._limit = limit
        self._staging = Staging(folder)
        self._placing = asyncio.Lock()

    @classmethod
    def of(cls, settings: Settings, registry: LoraRegistry) -> Self:
        """The adder that settings ask for."""
        return cls(
            settings.folders.loras,
            registry,
            lambda: client_of(settings),
            limit=settings.max_lora_bytes,
        )

    async def add(self, reference: LoraReference, progress: Listener = unheard) -> Added:
        """Bring a LoRA here, unless it is.

        Args:
            reference: which one.
            progress: is told the bytes that are there and those in all (None: not known).

        Raises:
            SourceFailed: one of its kinds; there is nothing new in the folder then.
            DatabaseUnavailable
        """
        with writing(self._folder):
            added = await self._bring(reference, progress)
        await self._registry.note_reference(name_of(reference), added.record.sha256)
        return added

    def sweep(self) -> None:
        """Remove downloads that nobody went on with for long. Blocks."""
        self._staging.sweep()

    async def _bring(self, reference: LoraReference, progress: Listener) -> Added:
        if isinstance(reference, Local):
            return await self._take_over(reference.path)
        record = await in_thread(self._known, reference)
        if record is not None:
            return Added(record, was_here=True)
        async with self._client() as client:
            return await self._find(reference, client, progress)

    # --- from elsewhere --------------------------------------------------------------------

    def _known(self, reference: RemoteLora) -> LoraRecord | None:
        """The LoRA that a reference names, if that can be told without asking its site."""
        match reference:
            case Number(number) | Civitai(version=int(number), file=None, filters=()):
                return self._first(lambda lora: lora.origin.version_id == number)
            case Civitai(version=None):  # there may be a newer one
                return None
        name = name_of(reference)
        return self._first(lambda lora: name in (lora.origin.source, *lora.origin.references))

    async def _find(self, reference: RemoteLora, client: SourceClient, progress: Listener) -> Added:
        offer = await find_offer(reference, client, self._limit)
        async with self._staging.hold(offer.folder_name) as folder:
            record = await in_thread(self._has, offer, reference)
            if record is None:  # unless another process has just brought it
                await self._registry.rescan()
                record = await in_thread(self._has, offer, reference)
            if record is None:
                return await self._download(reference, offer, folder, client, progress)
        return Added(record, was_here=True, notes=offer.notes)

    def _has(self, offer: Offer, reference: RemoteLora) -> LoraRecord | None:
        """The LoRA that an offer is of, if it is here."""
        sha256, version = offer.file.sha256, offer.version
        same = None if sha256 is None else self._same(sha256)
        chosen = isinstance(reference, Civitai) and (reference.file or reference.filters)
        if same is not None or version is None or chosen:
            return same
        return self._first(lambda lora: lora.origin.version_id == version.id)

    async def _download(
        self,
        reference: RemoteLora,
        offer: Offer,
        folder: Path,
        client: SourceClient,
        progress: Listener,
    ) -> Added:
        path = folder / offer.manifest.main
        try:
            await _fetch(offer, folder, client, progress)
            sha256 = await in_thread(check_is_lora, path, path.name)
            # What an earlier download left complete was not compared.
            offer.file.check_hash(sha256)
        except _RESUMABLE:
            raise
        except SourceFailed:
            await in_thread(clear, folder)
            raise
        beside, notes = await companions(reference, offer, sha256, client)
        distinction = sha256[:8] if offer.version is None else str(offer.version.id)
        added = await self._place(path, offer.name, sha256, distinction, beside)
        await in_thread(clear, folder)
        return replace(added, notes=offer.notes if added.was_here else notes)

    # --- from this machine -----------------------------------------------------------------

    async def _take_over(self, path: Path) -> Added:
        """Copy a file into the folder, with what stands beside it."""
        sha256 = await in_thread(self._examine, path)
        async with self._staging.hold(sha256[:16]) as folder:
            await self._registry.rescan()  # it may lie in the folder of LoRAs already
            same = await in_thread(self._same, sha256)
            if same is not None:
                return Added(same, was_here=True)
            try:
                copy, beside = await in_thread(_copy, path, sha256, folder)
                return await self._place(copy, path.name, sha256, sha256[:8], beside)
            finally:
                await in_thread(clear, folder)

    def _examine(self, path: Path) -> str:
        """The hash of a local LoRA."""
        refuse_pickle(path.name)
        if not path.is_file():
            raise SourceMissing(f"There is no file {path}.")
        if path.stat().st_size > self._limit:
            raise FileTooLarge(f"{path} has more than {self._limit} bytes (`max_lora_bytes`).")
        return check_is_lora(path, path.name)

    # --- both ------------------------------------------------------------------------------

    async def _place(
        self, path: Path, name: str, sha256: str, distinction: str, beside: Beside
    ) -> Added:
        """Put a checked file into the folder, unless it is there; see `place`."""
        async with self._placing:  # two sources may have the same file
            same = await in_thread(self._same, sha256)
            if same is not None:
                return Added(same, was_here=True)
            placed = await in_thread(place, path, self._folder, name, distinction, beside)
            await self._registry.rescan()
        record = self._registry.at(placed)
        if record is None:
            raise SourceFailed(f"{placed} is there, and yet it cannot be read. See the log.")
        log.info("LoRA %s is at %s", record.id, placed)
        return Added(record, was_here=False)

    def _same(self, sha256: str) -> LoraRecord | None:
        """The LoRA of which a file has these very bytes."""
        return self._first(lambda lora: sha256 in lora.hashes)

    def _first(self, fits: Callable[[Lora], bool]) -> LoraRecord | None:
        """The first known LoRA that fits and of which a file is there."""
        fitting = (lora for lora in self._registry.loras() if fits(lora))
        there = (lora for lora in fitting if any(copy.path.is_file() for copy in lora.copies))
        return next((lora.record for lora in there), None)


def client_of(settings: Settings) -> SourceClient:
    """A client for the sites that settings and the environment name."""
    sites = Sites.from_environment(settings.civitai_url)
    return SourceClient(sites, allow_private=settings.allow_private_sources)


async def _fetch(offer: Offer, folder: Path, client: SourceClient, progress: Listener) -> None:
    try:
        await fetch(offer.manifest, folder, client, progress=progress)
    except SourceUnauthorized as error:
        raise offer.explain(error) from error


def _copy(path: Path, sha256: str, folder: Path) -> tuple[Path, Beside]:
    """A copy of a local LoRA in a folder, and what lies beside it."""
    beside = {end: path.with_name(path.stem + end) for end in ENDINGS}
    found = {end: other for end, other in beside.items() if other.is_file() and end != RECORD}
    own = {RECORD: download_record(name_of(Local(path)), sha256)}
    folder.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copyfile(path, folder / path.name)), Beside(own, copies=found)
