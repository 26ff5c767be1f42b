"""Brings LoRAs to this machine: looks for them, downloads, checks, and puts them in place."""

from __future__ import annotations

import asyncio
import errno
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from weakref import WeakValueDictionary

from server.loras.contents import check_is_lora
from server.loras.offers import Offer, find_offer
from server.loras.placing import Beside, place
from server.loras.previews import find_preview
from server.loras.record import LoraRecord
from server.loras.references import LoraReference, Number, RemoteLora, name_of
from server.loras.sidecars import CIVITAI, ENDINGS, RECORD
from server.source_errors import (
    DiskFull,
    FileTooLarge,
    OfflineSource,
    SourceFailed,
    SourceMissing,
    SourceUnauthorized,
    SourceUnreachable,
)
from server.sources import civitai
from server.sources.civitai import Version
from server.sources.client import SourceClient
from server.sources.download import fetch, in_thread, unheard
from server.sources.formats import refuse_pickle
from server.sources.kinds import Civitai, Local
from server.sources.progress import Listener
from server.sources.references import shown

log = logging.getLogger(__name__)

#: The folder, in that of the LoRAs, for what is not whole yet. Nobody looks for LoRAs there.
DOWNLOADS = ".downloads"

#: Seconds after which a download that nobody went on with is removed.
FORGOTTEN = 7 * 24 * 3600

#: What leaves a part of a file worth keeping.
_RESUMABLE = (SourceUnreachable, DiskFull, OfflineSource)


class Registry(Protocol):
    """What adding needs to know of the registry: see `server.loras.registry.LoraRegistry`."""

    def records(self) -> Sequence[LoraRecord]:
        """All LoRAs that are known."""

    def at(self, path: Path) -> LoraRecord | None:
        """The LoRA that a file is."""

    def rescan(self) -> object:
        """Look at the folder. Blocks."""


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
        registry: Registry,
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
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def add(self, reference: LoraReference, progress: Listener = unheard) -> Added:
        """Bring a LoRA here, unless it is.

        Args:
            reference: which one.
            progress: is told the bytes that are there and those in all (None: not known).

        Raises:
            SourceFailed: one of its kinds; there is nothing new in the folder then.
        """
        with _writing(self._folder):
            if isinstance(reference, Local):
                return await in_thread(self._take_over, reference.path)
            record = await in_thread(self.known, reference)
            if record is not None:
                return Added(record, was_here=True)
            async with self._client() as client:
                return await self._find(reference, client, progress)

    def known(self, reference: LoraReference) -> LoraRecord | None:
        """The LoRA that a reference names, if that can be told without asking its site. Blocks."""
        match reference:
            case Number(number):
                return self._first(lambda record: record.version_id == number)
            case Civitai(version=int(version), file=None, filters=()):
                return self._first(lambda record: record.version_id == version)
            case Local(path):
                return self._registry.at(path)
        name = name_of(reference)
        return self._first(lambda record: record.source == name)

    def sweep(self) -> None:
        """Remove downloads that nobody went on with for long. Blocks."""
        place = self._folder / DOWNLOADS
        for folder in place.iterdir() if place.is_dir() else ():
            try:
                newest = max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
            except OSError:
                continue  # another process has just ended it
            if time.time() - newest > FORGOTTEN:
                shutil.rmtree(folder, ignore_errors=True)

    # --- from elsewhere --------------------------------------------------------------------

    async def _find(self, reference: RemoteLora, client: SourceClient, progress: Listener) -> Added:
        offer = await find_offer(reference, client, self._limit)
        notes = () if offer.note is None else (offer.note,)
        lock = self._locks.setdefault(offer.folder_name, asyncio.Lock())
        async with lock:  # whoever comes second finds it here
            record = await in_thread(self._has, offer, reference)
            if record is not None:
                return Added(record, was_here=True, notes=notes)
            return await self._download(reference, offer, client, progress)

    def _has(self, offer: Offer, reference: RemoteLora) -> LoraRecord | None:
        """The LoRA that an offer is of, if it is here."""
        sha256, version = offer.file.sha256, offer.version
        if sha256 is not None:
            same = self._first(lambda record: record.sha256 == sha256)
            if same is not None:
                return same
        chosen = isinstance(reference, Civitai) and (reference.file or reference.filters)
        if version is None or chosen:
            return None
        return self._first(lambda record: record.version_id == version.id)

    async def _download(
        self, reference: RemoteLora, offer: Offer, client: SourceClient, progress: Listener
    ) -> Added:
        folder = self._folder / DOWNLOADS / offer.folder_name
        try:
            await _fetch(offer, folder, client, progress)
            path = folder / offer.manifest.main
            sha256 = await in_thread(check_is_lora, path, path.name)
            same = await in_thread(self._first, lambda record: record.sha256 == sha256)
            if same is not None:
                await in_thread(_clear, folder)
                return Added(same, was_here=True)
            beside, notes = await _beside(reference, offer, sha256, client)
        except _RESUMABLE:
            raise
        except SourceFailed:
            await in_thread(_clear, folder)
            raise
        distinction = sha256[:8] if offer.version is None else str(offer.version.id)
        # A cancellation comes before or after, not amid.
        record = await in_thread(self._place, path, path.name, distinction, beside)
        await in_thread(_clear, folder)
        return Added(record, was_here=False, notes=notes)

    # --- from this machine -----------------------------------------------------------------

    def _take_over(self, path: Path) -> Added:
        """Copy a file into the folder, with what stands beside it."""
        refuse_pickle(path.name)
        if not path.is_file():
            raise SourceMissing(f"There is no file {path}.")
        if path.stat().st_size > self._limit:
            raise FileTooLarge(f"{path} has more than {self._limit} bytes (`max_lora_bytes`).")
        sha256 = check_is_lora(path, path.name)
        self._registry.rescan()  # it may lie in the folder already
        same = self._first(lambda record: record.sha256 == sha256)
        if same is not None:
            return Added(same, was_here=True)
        folder = self._folder / DOWNLOADS / sha256[:16]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / path.name)
            copies = {end: path.with_name(path.stem + end) for end in ENDINGS}
            found = {end: other for end, other in copies.items() if other.is_file()}
            record = self._place(folder / path.name, path.name, sha256[:8], Beside(copies=found))
        finally:
            _clear(folder)
        return Added(record, was_here=False)

    # --- both ------------------------------------------------------------------------------

    def _place(self, path: Path, name: str, distinction: str, beside: Beside) -> LoraRecord:
        """Put a checked file into the folder, and have the registry know it."""
        placed = place(path, self._folder, name, distinction, beside)
        self._registry.rescan()
        record = self._registry.at(placed)
        if record is None:
            raise SourceFailed(f"{placed} is there, and yet the registry does not know it.")
        log.info("LoRA %s is at %s", record.id, placed)
        return record

    def _first(self, fits: Callable[[LoraRecord], bool]) -> LoraRecord | None:
        """The first known LoRA that fits and whose file is there."""
        fitting = (record for record in self._registry.records() if fits(record))
        return next((record for record in fitting if record.path.is_file()), None)


async def _fetch(offer: Offer, folder: Path, client: SourceClient, progress: Listener) -> None:
    try:
        await fetch(offer.manifest, folder, client, progress=progress)
    except SourceUnauthorized as error:
        raise offer.explain(error) from error


async def _beside(
    reference: RemoteLora, offer: Offer, sha256: str, client: SourceClient
) -> tuple[Beside, tuple[str, ...]]:
    """What to put beside a file, and what is to be said about it."""
    notes = [] if offer.note is None else [offer.note]
    told: dict[str, Any] = {
        "reference": _told_reference(reference, offer),
        "sha256": sha256,
        "downloaded_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if offer.version is None:
        return Beside(texts={RECORD: told}), tuple(notes)
    preview = None
    try:
        preview = await find_preview(offer.version.images, client)
    except SourceFailed as error:
        notes.append(f"The LoRA has no preview: {error.message}")
    record = await _with_licence(offer.version, client)
    return Beside(texts={RECORD: told, CIVITAI: record}, preview=preview), tuple(notes)


def _told_reference(reference: RemoteLora, offer: Offer) -> str:
    """Where a file comes from: of civitai the very version."""
    if offer.version is not None:
        return str(Civitai(offer.version.model_id, offer.version.id))
    return name_of(reference)


async def _with_licence(version: Version, client: SourceClient) -> dict[str, Any]:
    """Civitai's words about a version, and its model's licence flags among them."""
    if version.model_id is None:
        return version.record
    try:
        licences = await civitai.licences_of([version.model_id], client)
    except SourceFailed as error:
        log.warning("the licence of %s is not known: %s", version.model_id, error)
        return version.record
    return with_licence(version, licences.get(version.model_id, {}))


def with_licence(version: Version, licence: Any) -> dict[str, Any]:
    """Civitai's words about a version with these flags where other programs look for them, at its
    model."""
    model = version.record.get("model")
    return {**version.record, "model": {**(model if isinstance(model, dict) else {}), **licence}}


def _clear(folder: Path) -> None:
    """Remove a download; the folder of downloads goes with the last."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.parent.rmdir()
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
            log.warning("%s cannot be removed: %s", folder.parent, error)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """What the disk refuses, as typed errors."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"The disk of {folder} is full. Free space, and try again.") from error
        raise SourceFailed(
            f"{shown(str(error.filename or folder))} cannot be read or written: "
            f"{error.strerror or error}. Mend its permissions."
        ) from error
