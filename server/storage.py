"""Image and thumbnail files, written so that a crash leaves a whole file or none."""

from __future__ import annotations

import logging
import os
import secrets
from pathlib import Path

from server.errors import StorageFailed

log = logging.getLogger(__name__)


class ImageFiles:
    """The two folders with full-size images and thumbnails; both use the image's file name.

    Names come from the database, never from a request.
    """

    def __init__(self, images: Path, thumbs: Path) -> None:
        self._images = images
        self._thumbs = thumbs

    def image(self, filename: str) -> Path:
        """Where the full-size PNG lies."""
        return self._images / filename

    def thumb(self, filename: str) -> Path:
        """Where the thumbnail (WebP, whatever its name ends with) lies."""
        return self._thumbs / filename

    def write(self, filename: str, png: bytes, thumbnail: bytes) -> None:
        """Write both files durably, the image first.

        Raises:
            StorageFailed: the disk is full or a folder cannot be written; nothing is left behind.
        """
        try:
            write_whole(self.image(filename), png)
            write_whole(self.thumb(filename), thumbnail)
        except OSError as error:
            self.remove(filename)
            raise StorageFailed(
                f"The image could not be written to {self._images}: {error.strerror or error}. "
                "Free disk space or mend the folder's permissions, then generate it again."
            ) from error

    def remove(self, filename: str) -> bool:
        """Remove an image and its thumbnail; whether both are gone now, or were before."""
        gone = [_unlink(path) for path in (self.image(filename), self.thumb(filename))]
        return all(gone)

    def remove_partial(self) -> None:
        """Remove temporary files that a crash left behind."""
        for folder in (self._images, self._thumbs):
            for path in folder.glob(".*.part"):
                _unlink(path)


def _unlink(path: Path) -> bool:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s could not be removed: %s", path, error.strerror or error)
        return False
    return True


def write_whole(path: Path, data: bytes) -> None:
    """Write a file durably, whole or not at all; several may write the same one at once.

    Raises:
        OSError
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make a rename durable; Windows has no such call and needs none."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
