"""Where LoRAs are put together before they come into their folder."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from weakref import WeakValueDictionary

from filelock import AsyncAcquireReturnProxy, AsyncFileLock, FileLock, Timeout

from server.sources.download import in_thread

log = logging.getLogger(__name__)

#: The folder, in that of the LoRAs, for what is not whole yet. Nobody looks for LoRAs there.
DOWNLOADS = ".downloads"

#: Seconds after which a download that nobody went on with is removed.
FORGOTTEN = 7 * 24 * 3600

_LOCK = ".lock"


class Staging:
    """Folders for single LoRAs, each used by one task of all processes at a time."""

    def __init__(self, loras: Path) -> None:
        """`loras` is the folder of LoRAs."""
        self._folder = loras / DOWNLOADS
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def hold(self, name: str) -> AsyncIterator[Path]:
        """Wait for the folder of this name, and have it alone. It need not be there; what is left
        in it can be taken up by the next, see `clear`.

        Raises:
            OSError: it cannot be locked.
        """
        own = self._locks.setdefault(name, asyncio.Lock())
        async with own:
            # Beside the folder: it must outlive it.
            path = self._folder / f"{name}{_LOCK}"
            async with await _locked(path):
                try:
                    yield self._folder / name
                finally:
                    await in_thread(_let_go, path)

    def sweep(self) -> None:
        """Remove what nobody went on with for long. Blocks."""
        found = list(self._folder.iterdir()) if self._folder.is_dir() else ()
        for name in {path.name.removesuffix(_LOCK) for path in found}:
            try:
                self._sweep(name)
            except Timeout:
                log.debug("%s is in use", name)
            except OSError as error:
                log.warning("%s cannot be swept: %s", self._folder / name, error)

    def _sweep(self, name: str) -> None:
        lock = self._folder / f"{name}{_LOCK}"
        with FileLock(lock, timeout=0):
            if _is_forgotten(self._folder / name):
                clear(self._folder / name)
            _let_go(lock)


def clear(folder: Path) -> None:
    """Remove a folder and all that is in it. Blocks."""
    shutil.rmtree(folder, ignore_errors=True)


async def _locked(path: Path) -> AsyncAcquireReturnProxy:
    """The lock with this file, once it is ours."""
    while True:
        await in_thread(path.parent.mkdir, parents=True, exist_ok=True)
        try:
            return await AsyncFileLock(path).acquire()
        except FileNotFoundError:
            continue  # the last who let go of another has removed their folder


def _is_forgotten(folder: Path) -> bool:
    times = (path.stat().st_mtime for path in (folder, *folder.rglob("*")) if path.exists())
    return time.time() - max(times, default=0.0) > FORGOTTEN


def _let_go(lock: Path) -> None:
    """Remove the file of a lock that is held, whoever waits for it makes another, and the folder
    with the last. Windows lets nobody remove a file that is open."""
    with contextlib.suppress(PermissionError):
        lock.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # it is not empty
        lock.parent.rmdir()
