"""The data folder: made, found writable, and held by one server at a time."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from server.errors import FolderInUse, FolderUnusable
from server.folders import Folders


def acquire(folders: Folders) -> FileLock:
    """Make the folders and take them for this process; release the lock when done.

    Two servers on one folder would each run the other's jobs. The lock ends with the process,
    however it ends.

    Raises:
        FolderUnusable: a folder cannot be made or written.
        FolderInUse: another server holds it.
    """
    make(folders)
    lock = FileLock(folders.database.with_suffix(".lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise FolderInUse(
            f"Another server runs on {folders.database.parent}. Stop it, or choose another "
            "folder with --data."
        ) from None
    return lock


def make(folders: Folders) -> None:
    """Make the folders.

    Raises:
        FolderUnusable: one of them cannot be made or written.
    """
    for folder in folders.all:
        _make(folder)


def _make(folder: Path) -> None:
    probe = folder / ".darkroom-probe"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink(missing_ok=True)  # another server's start may have been quicker
    except OSError as error:
        raise FolderUnusable(
            f"The folder {folder} cannot be used: {error.strerror or error}. Make it writable, "
            "or choose another with --data."
        ) from error
