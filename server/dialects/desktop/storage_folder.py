"""Where images of this API are stored: `storagePath` as a folder that may be one."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from server.config import Settings
from server.dialects.desktop.paths import inside
from server.dialects.desktop.protocol import GENERATED
from server.errors import StorageFailed
from server.folders import absolute

FORMS = (
    "must be a writable folder inside the data folder (relative to it, `./holidays` say), or "
    "inside one that the setting `allowed_folders` names"
)


class FolderRefused(ValueError):
    """Images cannot be stored there; the text says why."""


class StorageFolders:
    """Tells which folders `storagePath` may name. Every method blocks."""

    def __init__(self, settings: Settings) -> None:
        folders = settings.folders
        self._data = folders.database.parent
        self._images = folders.images
        self._taken = (folders.inputs, folders.thumbs, folders.loras, folders.models)
        self._allowed = settings.allowed_folders

    def make(self, text: str) -> None:
        """Make the folder that a `storagePath` names, if it is missing, and try to write there.

        Raises:
            FolderRefused: it may not be used, or cannot be written.
        """
        place = self._place(text)
        probe = place / f".{secrets.token_hex(8)}.part"
        try:
            place.mkdir(parents=True, exist_ok=True)
            with probe.open("xb"):
                probe.unlink()
        except OSError as error:
            raise FolderRefused(f"cannot be written: {error.strerror or error}") from None

    def folder(self, text: str) -> str | None:
        """The folder that a `storagePath` names, as jobs have it.

        Raises:
            StorageFailed: it may not be used any more, is gone, or cannot be written.
        """
        try:
            place = self._place(text)
        except FolderRefused as error:
            raise StorageFailed(f"The storagePath {text!r} {error}.") from None
        if not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
            raise StorageFailed(
                f"The storagePath {text!r} is gone or cannot be written. Put it back, or choose "
                "another with PUT /api/settings."
            )
        data = self._data.resolve()
        if place == self._images.resolve():
            return None
        return str(place.relative_to(data) if place.is_relative_to(data) else place)

    def _place(self, text: str) -> Path:
        if os.path.normpath(text) == os.path.normpath(GENERATED):
            return self._images.resolve()
        place = inside(absolute(self._data) / text, (self._data, *self._allowed))
        if place is None or place == self._data.resolve():
            raise FolderRefused(FORMS)
        if any(_holds(taken, place) for taken in self._taken):
            raise FolderRefused("is a folder that the server keeps other files in")
        return place


def _holds(folder: Path, place: Path) -> bool:
    """Whether a place is a folder or lies in it, however the disk takes upper and lower case."""
    return any(_is(each, folder) for each in (place, *place.parents))


def _is(place: Path, folder: Path) -> bool:
    try:
        return place.samefile(folder)
    except OSError:  # it is not there, or its name is too long for the disk
        return False
