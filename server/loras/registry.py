"""The registry of LoRAs: what lies in their folders, and what is known of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Collection, Coroutine, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from server.database import Database
from server.errors import DatabaseUnavailable
from server.lora_errors import LoraNotFound, LoraPreviewNotFound
from server.loras.assembly import Copy, Lora, assemble
from server.loras.civitai import version_facts
from server.loras.configured import Configured, missing
from server.loras.edits import LoraEdits
from server.loras.index import LoraIndex, LoraPage
from server.loras.previews import PictureFile, picture_at
from server.loras.reading import Reading, RescanSummary
from server.loras.recognition import FaultListener, Recognition
from server.loras.record import LoraRecord
from server.loras.references import LoraReference
from server.loras.removal import remove_files
from server.loras.scanner import Folder, folders_of
from server.loras.store import LoraStore, StoredFacts
from server.loras.watching import FolderWatch
from server.plugins.types import ModelFamily

log = logging.getLogger(__name__)

#: Least seconds between two new indexes while files are read, and how many times as long as making
#: one takes the reading goes on.
_REFRESH = 0.25
_READ_ON = 8

#: Seconds after which a file that was just being written is looked at again.
_AGAIN = 0.3

#: Seconds that a file is looked for which is not where it was.
_PATIENCE = 30.0


class LoraRegistry:
    """All LoRAs. Construct it, `start` it and `stop` it on one event loop.

    What is no coroutine answers from memory and may be called anywhere.
    """

    def __init__(
        self,
        database: Database,
        folder: Path,
        families: Mapping[str, ModelFamily],
        fault: FaultListener = lambda family, message: log.warning("%s", message),
        entries: Sequence[Configured] = (),
    ) -> None:
        """
        Args:
            database: keeps what is known.
            folder: the user's LoRAs.
            families: by name; they tell which files are theirs, and may bring their own.
            fault: told a family's name and a sentence when its plugin is at fault.
            entries: what the configuration says of LoRAs.
        """
        self._entries = entries
        self._store = LoraStore(database)
        self._recognition = Recognition(families, fault)
        self._folders = {folder.key: folder for folder in folders_of(folder, families)}
        self._index = LoraIndex()
        self._refreshing = threading.Lock()
        self._refresh_at = 0.0
        self._scanning = asyncio.Lock()
        self._wanted = 0
        self._noticed = False
        self._looked = 0
        self._found = RescanSummary()
        self._linked: frozenset[Path] = frozenset()
        self._stopping = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._watch: FolderWatch | None = None

    # --- life ------------------------------------------------------------------------------

    async def start(self, *, watch: bool = True) -> None:
        """Know what was known at the last stop, and the families' own LoRAs; go on to look at
        the user's folder, and watch it with `watch`."""
        bundled = [folder for folder in self._folders.values() if folder.bundled]
        await asyncio.to_thread(self._refresh)
        if bundled:
            with _told_if_unavailable():
                await asyncio.to_thread(self._reading(bundled).run)
            await asyncio.to_thread(self._refresh)
        self._spawn(self._look())
        if watch:
            self._watch = FolderWatch(self._places, self._notice)
            self._spawn(self._watch.run())

    async def stop(self) -> None:
        """Let go of the folders; what is being read is given up."""
        self._stopping.set()
        if self._watch is not None:
            self._watch.stop()
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def rescan(self) -> RescanSummary:
        """Look at the folders and read what has changed; when this returns, the rest of the
        registry knows it. Several who ask at once may share a look, and are told the same.

        Raises:
            DatabaseUnavailable
        """
        self._wanted += 1
        own, before = self._wanted, self._found
        while True:
            async with self._scanning:
                if self._looked >= own or self._stopping.is_set():
                    return self._found.since(before)
                # Whoever asks later ends this look, and with the next one the newest files are
                # read first: somebody has just put them there.
                number, self._noticed = self._wanted, False
                reading = self._reading(self._folders.values(), wanted=number)
                self._found = (await asyncio.to_thread(reading.run)).after(self._found)
                await asyncio.to_thread(self._refresh)
                if reading.finished:
                    self._finish(reading, number)
                    return self._found.since(before)

    # --- questions -------------------------------------------------------------------------

    def find(self, name: str) -> LoraRecord:
        """The LoRA with this id, `civitai_{model}` of a model with one version here, file name,
        path relative to its folder, or name.

        Raises:
            LoraNotFound: there is none, or several; the message names the nearest, or all.
        """
        return self._index.find(name).record

    def recipe_ids(self, name: str) -> tuple[str, ...]:
        """What recipes may call the LoRA of this name: its id is among them.

        Raises:
            LoraNotFound: see `find`.
        """
        return self._index.recipe_ids(name)

    def by_recipe_id(self) -> dict[str, LoraRecord]:
        """The LoRAs by what recipes may call them, see `LoraIndex.by_recipe_id`."""
        return self._index.by_recipe_id()

    def records(self) -> list[LoraRecord]:
        """All LoRAs by name, also those that no model can use."""
        return [lora.record for lora in self._index.loras]

    def loras(self) -> Sequence[Lora]:
        """All LoRAs with their files."""
        return self._index.loras

    def usable(self, family: str) -> list[LoraRecord]:
        """Those that models of a family can use, by name."""
        return [record for record in self.records() if record.family == family]

    def page(
        self,
        *,
        q: str | None = None,
        families: Collection[str] | None = None,
        limit: int = 50,
        offset: int = 0,
        cursor: str | None = None,
    ) -> LoraPage:
        """See `LoraIndex.page`.

        Raises:
            InvalidParameters
        """
        return self._index.page(q=q, families=families, limit=limit, offset=offset, cursor=cursor)

    def path(self, lora_id: str, autov3: str | None = None) -> Path | None:
        """A file that is on the disk now as it was when it was read, or None. Blocks.

        Args:
            lora_id: the LoRA's id or another name of it.
            autov3: of its contents, by which alone it is looked for then: ids may change.
        """
        index = self._index
        try:
            lora = index.find(lora_id) if autov3 is None else index.of_contents(autov3)
        except LoraNotFound:
            return None
        copies = () if lora is None else lora.copies
        return next((copy.path for copy in copies if copy.is_unchanged()), None)

    async def locate(self, lora_id: str, autov3: str | None = None) -> Path | None:
        """Like `path`, and after a look at the folders if there is none: it may have been renamed
        just now."""
        path = await asyncio.to_thread(self.path, lora_id, autov3)
        if path is None and not self._stopping.is_set():
            await asyncio.wait([self._spawn(self._look())], timeout=_PATIENCE)
            path = await asyncio.to_thread(self.path, lora_id, autov3)
        return path

    def preview(self, lora_id: str) -> PictureFile:
        """The picture of a LoRA. Blocks.

        Raises:
            LoraNotFound: there is no such LoRA.
            LoraPreviewNotFound: it has no picture that may be shown.
        """
        record = self.find(lora_id)
        picture = None if record.preview is None else picture_at(record.preview, self._places())
        if picture is None:
            raise LoraPreviewNotFound(f"There is no picture of the LoRA {record.id}.")
        return picture

    def at(self, path: Path) -> LoraRecord | None:
        """The LoRA that a file of the folders holds."""
        lora = self._index.at(path)
        return None if lora is None else lora.record

    def missing(self) -> list[LoraReference]:
        """What the configuration names and is not here, as far as the folders were looked at."""
        return missing(self._entries, [lora.origin for lora in self._index.loras])

    def unidentified(self) -> list[str]:
        """The SHA256 of the user's files that civitai was not asked about yet."""
        return [
            copy.stored.hashes.sha256
            for lora in self._index.loras
            for copy in lora.copies
            if not copy.folder.bundled and copy.stored.hashes.sha256 not in lora.asked
        ]

    # --- changes ---------------------------------------------------------------------------

    async def edit(self, lora_id: str, changes: Mapping[str, Any]) -> LoraRecord:
        """Change what is known of a LoRA, see `LoraEdits`; the record as it is then.

        Raises:
            LoraNotFound, InvalidParameters, DatabaseUnavailable
        """
        return await asyncio.to_thread(self._edit, lora_id, changes)

    async def delete(self, lora_id: str, *, file: bool = False) -> None:
        """Forget what the user has changed of a LoRA and what civitai said of it; with `file`
        remove its files too, and those beside them.

        Raises:
            LoraNotFound
            LoraBundled: `file`, and it came with a model family.
            LoraNotRemoved: a file cannot be removed.
            DatabaseUnavailable
        """
        await asyncio.to_thread(self._delete, lora_id, file)

    async def note_civitai(self, sha256: str, version: Mapping[str, Any] | None) -> None:
        """Keep what civitai says of a file.

        Args:
            sha256: of the file, in lower case.
            version: civitai's JSON of the version, as `server.loras.civitai` reads it; None:
                civitai does not know the file, and need not be asked again.

        Raises:
            DatabaseUnavailable
        """
        await self.note_answers({sha256: version})

    async def note_answers(self, answers: Mapping[str, Mapping[str, Any] | None]) -> None:
        """Keep what civitai says of several files, by their SHA-256; see `note_civitai`.

        Raises:
            DatabaseUnavailable
        """
        for sha256, version in answers.items():
            facts = None if version is None else version_facts(version)
            await asyncio.to_thread(self._store.note_civitai, sha256, facts)
        await asyncio.to_thread(self._refresh)

    async def note_reference(self, name: str, sha256: str) -> None:
        """Remember that a reference of this name (`name_of`) came to a file.

        Raises:
            DatabaseUnavailable
        """
        await asyncio.to_thread(self._store.note_reference, name, sha256)
        await asyncio.to_thread(self._refresh)

    # --- inside ----------------------------------------------------------------------------

    def _edit(self, lora_id: str, changes: Mapping[str, Any]) -> LoraRecord:
        lora = self._index.find(lora_id)
        given = LoraEdits.read(changes)
        for sha256 in lora.hashes:
            self._store.edit(sha256, given)
        self._refresh()
        found = self._index.at(lora.record.path)
        return lora.record if found is None else found.record

    def _delete(self, lora_id: str, file: bool) -> None:
        lora = self._index.find(lora_id)
        if file:
            removed = remove_files(lora)
            self._store.forget_files(removed)
        for sha256 in lora.hashes:
            self._store.forget_facts(sha256)
        self._refresh()

    def _finish(self, reading: Reading, number: int) -> None:
        self._looked = number
        self._linked = frozenset(reading.linked)
        if reading.soon:
            self._spawn(self._look_again())

    def _reading(self, folders: Iterable[Folder], wanted: int | None = None) -> Reading:
        def stop() -> bool:
            return self._stopping.is_set() or wanted not in (None, self._wanted)

        return Reading(
            store=self._store,
            recognition=self._recognition,
            folders=tuple(folders),
            stop=stop,
            give_up=self._stopping.is_set,
            progress=self._progress,
        )

    def _progress(self) -> None:
        if time.monotonic() >= self._refresh_at:
            self._refresh()

    def _refresh(self) -> None:
        """Make a new index of what is stored now. Blocks."""
        with self._refreshing:
            began = time.monotonic()
            known = self._store.facts()
            copies = [
                Copy(file, self._folders[file.key[0]])
                for file in self._store.files(self._recognition.fingerprint()).values()
                if not file.gone and file.key[0] in self._folders
            ]
            loras = assemble(copies, known, self._recognition, self._entries)
            told = {
                sha256: (*lora.numbers, lora.record.id)
                for lora in loras
                for sha256 in lora.hashes
                if lora.numbers[1] is not None and not _is_told(lora, known.get(sha256))
            }
            if told:
                self._store.note_ids(told)
            self._index = LoraIndex(loras)
            ended = time.monotonic()
            self._refresh_at = ended + max(_REFRESH, _READ_ON * (ended - began))

    def _places(self) -> list[Path]:
        return [*(folder.path for folder in self._folders.values()), *self._linked]

    async def _look(self) -> None:
        """Look at the folders, in the background."""
        with _told_if_unavailable():
            await self.rescan()

    async def _notice(self) -> None:
        """Something has changed in the folders; more may while the look at it goes on. A look
        that has not begun yet sees this, too."""
        if not (self._noticed or self._stopping.is_set()):
            self._noticed = True
            self._spawn(self._look())

    async def _look_again(self) -> None:
        await asyncio.sleep(_AGAIN)
        if not self._stopping.is_set():
            await self._look()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


@contextlib.contextmanager
def _told_if_unavailable() -> Iterator[None]:
    """A full disk, say, keeps nobody from using what is known already."""
    try:
        yield
    except DatabaseUnavailable as error:
        log.warning("The folders of LoRAs were not looked at: %s", error)


def _is_told(lora: Lora, known: StoredFacts | None) -> bool:
    """Whether a LoRA's numbers and its id are remembered."""
    return known is not None and known.numbers == lora.numbers and lora.record.id in known.ids
