"""Brings what is stored of LoRA files up to date with their folders."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

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


@dataclass(frozen=True, slots=True)
class RescanSummary:
    """What looking at the folders has found, in files of weights.

    `incomplete` are on their way here, or cannot be read; they are not among `total`.
    """

    added: int = 0
    removed: int = 0
    changed: int = 0
    unchanged: int = 0
    incomplete: int = 0
    total: int = 0

    def after(self, earlier: RescanSummary) -> RescanSummary:
        """This look and an earlier one that was not finished, as one."""
        return replace(
            self,
            added=self.added + earlier.added,
            removed=self.removed + earlier.removed,
            changed=self.changed + earlier.changed,
            unchanged=max(self.unchanged - earlier.added - earlier.changed, 0),
        )


@dataclass
class Reading:
    """One look at the folders. Blocks.

    Attributes:
        stop: asked before each file that is to be read; true ends the look.
        give_up: asked while one is read; true ends it there.
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

    def run(self) -> RescanSummary:
        """Look at every file, and read those that have changed.

        Raises:
            DatabaseUnavailable
        """
        known = self.store.files()
        seen = self._walk(known)
        reader = self.recognition.fingerprint()
        # The newest first: somebody waits for them.
        for file in sorted(seen.values(), key=lambda file: file.stamp.mtime_ns, reverse=True):
            earlier = known.get(file.key)
            if earlier is not None and _is_same(earlier, file, reader):
                self._count("unchanged")
            elif self.stop():
                self.finished = False
                break
            else:
                self._read(file, earlier, reader)
        counted = sum(self._counts.get(kind, 0) for kind in ("added", "changed", "unchanged"))
        return RescanSummary(**self._counts, total=counted)

    def _walk(self, known: dict[Key, StoredFile]) -> dict[Key, Seen]:
        """The files that are there; what is not there any more is marked so."""
        seen: dict[Key, Seen] = {}
        complete = set()
        for folder in self.folders:
            walk = Walk(folder)
            seen |= {file.key: file for file in walk.files()}
            self.linked |= walk.linked
            if walk.complete:
                complete.add(folder.key)
        present = {key for key, file in known.items() if not file.gone}
        gone = [key for key in present - seen.keys() if key[0] in complete]
        if gone:
            self.store.mark_gone(gone)
            self._counts["removed"] = len(gone)
            self.progress()
        return seen

    def _read(self, file: Seen, earlier: StoredFile | None, reader: str) -> None:
        try:
            fresh = self._stored(file, earlier, reader)
        except Interrupted:
            self.finished = False
            return
        except NotWhole as reason:
            log.debug("%s is not whole yet: %s", file.path, reason)
            self._leave_out(earlier)
            return
        except OSError as error:
            log.warning("%s cannot be read: %s", file.path, error.strerror or error)
            self._leave_out(earlier)
            return
        self.store.put(fresh)
        is_new = earlier is None or earlier.gone
        self._count("added" if is_new else "changed")
        if is_new and fresh.examined.fault is not None:
            log.info("%s is no LoRA that can be used. %s", file.path, fresh.examined.fault)
        self.progress()

    def _leave_out(self, earlier: StoredFile | None) -> None:
        """What a file was before, it is no more; what it will be is not known yet."""
        self._count("incomplete")
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
            self.soon = True
            raise NotWhole("it was written to just now")
        examined = examine(file.path, file.stamp.size, self.recognition)
        digests = hashes(file.path, examined.header, self.give_up)
        status = file.path.stat()
        if Stamp(status.st_size, status.st_mtime_ns) != file.stamp:
            self.soon = True
            raise NotWhole("it was written to while it was read")
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


def _is_same(earlier: StoredFile, file: Seen, reader: str) -> bool:
    is_read = earlier.reader == reader and not earlier.gone
    return is_read and earlier.stamp == file.stamp and earlier.sidecars == file.sidecars
