"""Files that are written so that a crash leaves a whole one or none; images and thumbnails."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from server.errors import StorageFailed

log = logging.getLogger(__name__)


class ImageFiles:
    """The two folders with full-size images and thumbnails; both use the image's file name.

    Full-size images may also lie in a `folder` of their own: a path relative to the folder that
    holds that of all images, so that what is kept can be moved as a whole, or an absolute one
    elsewhere. Nobody makes such a folder here: where it is gone, an unplugged disk say, its place
    must not be filled. Names and folders come from the database, never from a request.
    """

    def __init__(self, images: Path, thumbs: Path) -> None:
        self._images = images
        self._thumbs = thumbs

    def image(self, filename: str, folder: str | None = None) -> Path:
        """Where the full-size PNG lies."""
        return self._folder(folder) / filename

    def thumb(self, filename: str) -> Path:
        """Where the thumbnail (WebP, whatever its name ends with) lies."""
        return self._thumbs / filename

    def write(self, filename: str, png: bytes, thumbnail: bytes, folder: str | None = None) -> None:
        """Write both files durably, the image first.

        Raises:
            StorageFailed: the disk is full or a folder cannot be written; nothing is left behind.
        """
        try:
            write_whole(self.image(filename, folder), png)
            write_whole(self.thumb(filename), thumbnail)
        except OSError as error:
            self.remove(filename, folder)
            raise StorageFailed(
                f"The image could not be written to {self._folder(folder)}: "
                f"{error.strerror or error}. Free disk space or mend the folder's permissions, "
                "then generate it again."
            ) from error

    def remove(self, filename: str, folder: str | None = None) -> bool:
        """Remove an image and its thumbnail; whether both are gone now, or were before."""
        gone = [_unlink(path) for path in (self.image(filename, folder), self.thumb(filename))]
        return all(gone)

    def remove_partial(self, folders: Iterable[str] = ()) -> None:
        """Remove temporary files that a crash left behind, also in these further `folders`."""
        others = [self._folder(folder) for folder in folders]
        for place in (self._images, self._thumbs, *others):
            for path in place.glob(".*.part"):
                _unlink(path)

    def _folder(self, folder: str | None) -> Path:
        return self._images if folder is None else self._images.parent / folder


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
    with _written(path, data) as temporary:
        temporary.replace(path)
    sync_folder(path.parent)


def write_new(path: Path, data: bytes) -> None:
    """Like `write_whole`, for a file that is not there yet.

    Raises:
        FileExistsError: it is; nothing is changed.
        OSError
    """
    with _written(path, data) as temporary:
        move_new(temporary, path)


def move_new(source: Path, path: Path) -> None:
    """Give a file another name on its disk, durably and with all its bytes, unless there is one of
    that name; of several who try the same at once, one does it.

    Raises:
        FileExistsError: there is one; nothing is changed.
        OSError
    """
    with source.open("rb+") as file:
        os.fsync(file.fileno())
    try:
        os.link(source, path)
    except FileExistsError:
        raise
    except OSError:  # a disk without hard links
        path.touch(exist_ok=False)
        source.replace(path)
    else:
        source.unlink()
    sync_folder(path.parent)


@contextmanager
def _written(path: Path, data: bytes) -> Iterator[Path]:
    """A file with these bytes, durably, beside `path`; it does not stay."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Make a rename in a folder durable; Windows has no such call and needs none.

    Raises:
        OSError
    """
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
