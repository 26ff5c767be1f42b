"""Notices changes in folders, whatever becomes of these."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from watchfiles import Change, awatch

from server.loras.scanner import WEIGHTS
from server.loras.sidecars import ENDINGS
from server.sources.formats import suffix

log = logging.getLogger(__name__)

# It tells of every change, in lines that say nothing to the server's user.
logging.getLogger("watchfiles").setLevel(logging.WARNING)

#: Milliseconds in which changes are gathered.
_GATHER = 300

#: Milliseconds after which the folders themselves are looked for again.
_LOOK = 1000

#: What tells one folder from another that has its name later.
_Identity = tuple[Path, int, int]


class FolderWatch:
    """Calls a function after changes anywhere below some folders."""

    def __init__(
        self, places: Callable[[], Iterable[Path]], changed: Callable[[], Awaitable[None]]
    ) -> None:
        """
        Args:
            places: the folders, asked again and again; those that are missing are waited for.
            changed: called after changes, when a folder has appeared or gone, and once when the
                watch has begun.
        """
        self._places = places
        self._changed = changed
        self._stop = asyncio.Event()
        self._polling = False

    async def run(self) -> None:
        """Watch until `stop` is called."""
        watched: list[_Identity] | None = None
        while not self._stop.is_set():
            present = await asyncio.to_thread(self._present)
            if watched is not None and present != watched:
                await self._changed()
            watched = present
            try:
                await self._watch(present)
            except OSError as error:
                self._fall_back(error)
                await self._pause()
            except RuntimeError as error:  # watchfiles' own, of the system's watcher
                self._fall_back(error)
                await self._pause()

    def stop(self) -> None:
        """End `run` soon."""
        self._stop.set()

    async def _watch(self, present: list[_Identity]) -> None:
        """Watch these folders as long as they are the ones to watch."""
        if not present:
            await self._pause()
            return
        fresh = True
        async for changes in awatch(
            *(path for path, _, _ in present),
            watch_filter=matters,
            debounce=_GATHER,
            stop_event=self._stop,
            rust_timeout=_LOOK,
            yield_on_timeout=True,
            force_polling=self._polling or None,
            ignore_permission_denied=True,
        ):
            # What happened before the watch began, nobody was told.
            if changes or fresh:
                await self._changed()
            fresh = False
            # A folder that is made anew may look like the one that has gone.
            gone = {Path(path) for change, path in changes if change is Change.deleted}
            if any(path in gone for path, _, _ in present):
                return
            if await asyncio.to_thread(self._present) != present:
                return

    def _present(self) -> list[_Identity]:
        found = []
        for path in self._places():
            try:
                status = path.stat()
            except OSError:
                continue
            found.append((path, status.st_dev, status.st_ino))
        return sorted(found)

    def _fall_back(self, error: Exception) -> None:
        if not self._polling:
            log.warning(
                "Folders cannot be watched (%s); they are looked at again and again.", error
            )
        self._polling = True

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(_LOOK / 1000):
                await self._stop.wait()
        except TimeoutError:
            return


def matters(change: Change, path: str) -> bool:
    """Whether a change may be one of LoRAs. A download that grows beside them is none, nor are
    names that begin with `.`, of files on their way here, whose arrival is another change. What is
    gone may have been a folder."""
    place = Path(path)
    if place.name.startswith("."):
        return False
    if suffix(place.name) in WEIGHTS or place.name.endswith(ENDINGS):
        return True
    return change is Change.deleted or (change is Change.added and place.is_dir())
