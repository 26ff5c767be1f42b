"""Brings what is stored of LoRA files up to date with their folders."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from server.errors import DatabaseUnavailable
from server.loras.examination import NotWhole, examine
from server.loras.hashes import Hashes, Interrupted, hashes
from server.loras.recognition import Recognition
from server.loras.scanner import Folder, Seen, Stamp, Walk
from server.loras.sidecars import read_sidecars
from server.loras.store import Key, LoraStore, StoredFile

log = logging.getLogger(__name__)

#: Nanoseconds that must have passed since a file was written last; who writes one with all its
#: bytes reserved is seen by this alone.
_SETTLED = 300_000_000

#: Seconds in which files are read before anybody may end the look: who asks again and again would
#: else keep all of them from being read.
LEAST = 0.5


#: How many files that are not whole a look names.
NAMED = 100


class _Unsettled(NotWhole):
    """The file may be written to now; a moment later that can be told."""


@dataclass(frozen=True, slots=True)
class RescanSummary:
    """What looking at the folders has found, in files of weights.

    `incomplete` are on their way here, damaged, or cannot be read; they are not among `total`.
    `incomplete_files` are the first of them, relative to their folders.
    """

    added: int = 0
    removed: int = 0
    changed: int = 0
    unchanged: int = 0
    incomplete: int = 0
    total: int = 0
    incomplete_files: tuple[str, ...] = ()

    def after(self, earlier: RescanSummary) -> RescanSummary:
        """What this look and those before it have found, as one."""
        return self._plus(earlier, 1)

    def since(self, earlier: RescanSummary) -> RescanSummary:
        """What was found after the first of such looks."""
        return self._plus(earlier, -1)

    def _plus(self, earlier: RescanSummary, sign: int) -> RescanSummary:
        added, changed = self.added + sign * earlier.added, self.changed + sign * earlier.changed
        removed = self.removed + sign * earlier.removed
        unchanged = max(self.total - added - changed, 0)
        return replace(self, added=added, removed=removed, changed=changed, unchanged=unchanged)


@dataclass
class Reading:
    """One look at the folders. Blocks.

    Attributes:
        stop: asked before each file that is to be read but the first, once `LEAST` has passed;
            true ends the look.
        give_up: asked at any time; true ends the look there.
        progress: called after each file that was read.
        linked: folders outside of them that links lead to.
        finished: whether all files have been read.
        soon: whether another look is needed in a moment, without any change in the folders.
    """

    store: LoraStore
    recognition: Recognition
    folders: Sequence[Folder]
    stop: Callable[[], bool] = lambda: False
    give_up: Callable[[], bool] = lambda: False
    progress: Callable[[], None] = lambda: None
    linked: set[Path] = field(default_factory=set)
    finished: bool = True
    soon: bool = False
    _counts: dict[str, int] = field(default_factory=dict)
    _incomplete: list[str] = field(default_factory=list)

    def run(self) -> RescanSummary:
        """Look at every file, and read those that have changed.

        Raises:
            DatabaseUnavailable
        """
        reader = self.recognition.fingerprint()
        known = self.store.files(reader)
        seen, complete = self._walk()
        gone = [
            file
            for key, file in known.items()
            if not file.gone and key not in seen and key[0] in complete
        ]
        sizes = {file.stamp.size for file in gone}
        fresh = [file for file in seen.values() if not _is_same(known.get(file.key), file, reader)]
        self._counts["unchanged"] = len(seen) - len(fresh)
        # First what may have another name now, then the newest: somebody waits for them.
        fresh.sort(key=lambda file: (file.stamp.size in sizes, file.stamp.mtime_ns), reverse=True)
        # A file that was renamed keeps its old name until it has been read under the new one.
        held = self._mark_gone(gone, fresh)
        self._mark_gone(held, self._read_all(fresh, known, reader))
        counted = sum(self._counts.get(kind, 0) for kind in ("added", "changed", "unchanged"))
        named = tuple(self._incomplete[:NAMED])
        return RescanSummary(**self._counts, total=counted, incomplete_files=named)

    def _walk(self) -> tuple[dict[Key, Seen], set[str]]:
        """The files that are there, and the folders of which that is all."""
        seen: dict[Key, Seen] = {}
        complete = set()
        for folder in self.folders:
            walk = Walk(folder)
            seen |= {file.key: file for file in walk.files()}
            self.linked |= walk.linked
            if walk.complete:
                complete.add(folder.key)
        return seen, complete

    def _mark_gone(self, gone: Iterable[StoredFile], unread: Iterable[Seen]) -> list[StoredFile]:
        """Mark files that are not there any more; those that an unread one may be are left."""
        sizes = {file.stamp.size for file in unread}
        marked = [file.key for file in gone if file.stamp.size not in sizes]
        if marked:
            self.store.mark_gone(marked)
            self._counts["removed"] = self._counts.get("removed", 0) + len(marked)
            self.progress()
        return [file for file in gone if file.stamp.size in sizes]

    def _read_all(
        self, fresh: Sequence[Seen], known: Mapping[Key, StoredFile], reader: str
    ) -> list[Seen]:
        """Read files as far as there is time. Returns those that are left for another look."""
        left: list[Seen] = []
        until = time.monotonic() + LEAST
        for number, file in enumerate(fresh):
            may_end = number > 0 and time.monotonic() >= until
            if self.give_up() or (may_end and self.stop()):
                self.finished = False
                return [*left, *fresh[number:]]
            if not self._read(file, known.get(file.key), reader):
                left.append(file)
        return left

    def _read(self, file: Seen, earlier: StoredFile | None, reader: str) -> bool:
        """Read a file; whether that need not be done again.

        Raises:
            DatabaseUnavailable
        """
        try:
            fresh = self._stored(file, earlier, reader)
            self.store.put(fresh)
        except Interrupted:
            self.finished = False
            return False
        except NotWhole as reason:
            log.info("%s is not whole (yet): %s", file.path, reason)
            self._leave_out(file, earlier)
            self.soon |= isinstance(reason, _Unsettled)
            return not isinstance(reason, _Unsettled)
        except DatabaseUnavailable:
            raise
        except Exception as error:
            # Whatever nobody thought of, too: one file keeps no other from being read.
            is_of_disk = isinstance(error, OSError)
            log.warning("%s cannot be read: %s", file.path, error, exc_info=not is_of_disk)
            self._leave_out(file, earlier)
            return True
        is_new = earlier is None or earlier.gone
        self._count("added" if is_new else "changed")
        if is_new and fresh.examined.fault is not None:
            log.info("%s is no LoRA that can be used. %s", file.path, fresh.examined.fault)
        self.progress()
        return True

    def _leave_out(self, file: Seen, earlier: StoredFile | None) -> None:
        """What a file was before, it is no more; what it will be is not known yet."""
        self._count("incomplete")
        self._incomplete.append(file.key[1])
        if earlier is not None and not earlier.gone:
            self.store.mark_gone([earlier.key])
            self.progress()

    def _stored(self, file: Seen, earlier: StoredFile | None, reader: str) -> StoredFile:
        """What is to be stored of a file.

        Raises:
            OSError, NotWhole, Interrupted
        """
        if earlier is None or earlier.stamp != file.stamp:
            return self._read_whole(file, reader)
        fresh = replace(earlier, gone=False)
        if earlier.reader != reader:
            examined = examine(file.path, file.stamp.size, self.recognition)
            fresh = replace(fresh, examined=examined, reader=reader if examined.complete else "")
        if earlier.sidecars != file.sidecars:
            fresh = replace(fresh, **_told(file, earlier.hashes))
        return fresh

    def _read_whole(self, file: Seen, reader: str) -> StoredFile:
        age = time.time_ns() - file.stamp.mtime_ns
        if 0 <= age < _SETTLED:
            raise _Unsettled("it was written to just now")
        examined = examine(file.path, file.stamp.size, self.recognition)
        digests = hashes(file.path, examined.header, self.give_up)
        if Stamp.of(file.path.stat()) != file.stamp:
            raise _Unsettled("it was written to while it was read")
        return StoredFile(
            key=file.key,
            stamp=file.stamp,
            hashes=digests,
            examined=examined,
            reader=reader if examined.complete else "",
            **_told(file, digests),
        )

    def _count(self, kind: str) -> None:
        self._counts[kind] = self._counts.get(kind, 0) + 1


def _told(file: Seen, digests: Hashes) -> dict[str, Any]:
    """What the files beside it say, and their stamps."""
    told = read_sidecars(file.path, frozenset(file.sidecars), digests)
    return {"sidecars": file.sidecars, "told": tuple(told)}


def _is_same(earlier: StoredFile | None, file: Seen, reader: str) -> bool:
    if earlier is None or earlier.gone or earlier.reader != reader:
        return False
    return earlier.stamp == file.stamp and earlier.sidecars == file.sidecars
