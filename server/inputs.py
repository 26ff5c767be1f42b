"""Images that clients give: examined, then kept under the hash of their bytes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Select, Text, cast, select

from server.database import Database, images, jobs
from server.errors import ImageNotFound, InvalidParameters, StorageFailed
from server.generation import AnyParams, ImageParams
from server.storage import write_whole
from server.wording import shortened

if TYPE_CHECKING:
    from PIL.Image import Image

PREFIX = "input:"
NAME = re.compile(r"input:[0-9a-f]{64}")

#: The formats of Pillow that are read; nothing else is even looked at.
FORMATS = ("PNG", "JPEG", "WEBP")

#: Seconds for which a kept image stays although nothing refers to it: its job may be on its way.
GRACE = 3600.0


class ImageRefused(ValueError):
    """What a client gave is no image, or one that is not wanted; the text says which."""


class InputImages:
    """The folder of given images. Every method blocks; call it off the event loop."""

    def __init__(self, database: Database, folder: Path, max_pixels: int) -> None:
        """
        Args:
            database: knows which of them jobs and recipes name.
            folder: where they are kept.
            max_pixels: the most pixels an image may have.
        """
        self._database = database
        self._folder = folder
        self._max_pixels = max_pixels
        self._swept = float("-inf")
        self._lock = Lock()  # between looking at a file's age and removing the file
        # One image is decoded at a time: it takes much memory, and what is done to warnings is done
        # to the whole process.
        self._decoding = Lock()

    def examine(
        self, params: AnyParams, of_gallery: Callable[[str], Path]
    ) -> tuple[AnyParams, dict[str, bytes]]:
        """A request with its images named as recipes name them, and the images by these names.
        Nothing is kept.

        Args:
            params: the request.
            of_gallery: where an image of the gallery lies; raises ImageNotFound.

        Raises:
            InvalidParameters: one is no PNG, JPEG or WebP, is damaged, too large, not of a size
                that the model takes, a mask without anything to redraw, or not there any more.
        """
        found: dict[str, bytes] = {}

        def name(source: str, word: str) -> str:
            data = self._read(source, of_gallery)
            self._examine(data, params, is_mask=word == params.mask_word)
            name = f"{PREFIX}{hashlib.sha256(data).hexdigest()}"
            found[name] = data
            return name

        named: dict[str, Any] = {}
        for word in params.image_words:
            value = getattr(params, word)
            try:
                if isinstance(value, str):
                    named[word] = name(value, word)
                elif value:
                    named[word] = [name(source, word) for source in value]
            except ImageRefused as error:
                problem = {"loc": [word], "msg": str(error), "type": "image"}
                raise InvalidParameters([problem]) from None
        return params.model_copy(update=named), found

    def keep(self, found: Mapping[str, bytes]) -> dict[str, int]:
        """Keep examined images. Returns what `forget` wants: those that were not there before.

        Raises:
            StorageFailed: one cannot be written; then none is kept.
        """
        new: dict[str, int] = {}
        try:
            for name, data in found.items():
                if not self._touch(name):
                    path = self._place(name)
                    write_whole(path, data)
                    new[name] = path.stat().st_mtime_ns
        except OSError as error:
            self.forget(new)
            raise StorageFailed(
                f"The given image could not be written to {self._folder}: "
                f"{error.strerror or error}. Free disk space or mend the folder's permissions."
            ) from error
        return new

    def forget(self, new: Mapping[str, int]) -> None:
        """Remove images that were kept for a job that was not accepted, unless somebody gave them
        again since."""
        used = self._used() if new else set()
        for name in new.keys() - used:
            path = self._place(name)
            with self._lock, suppress(FileNotFoundError):
                if path.stat().st_mtime_ns == new[name]:
                    path.unlink()

    def path(self, name: str) -> Path | None:
        """The file of a kept image, None when it is not there."""
        path = self._place(name)
        return path if path.is_file() else None

    def sweep(self) -> None:
        """Remove images that no job and no recipe names, at most once in `GRACE`."""
        if time.monotonic() - self._swept < GRACE:
            return
        self._swept = time.monotonic()
        old = [path for path in self._folder.iterdir() if _is_old(path)]
        used = self._used() if old else set()
        for path in old:
            with self._lock:
                # Somebody may have given it again while the database was read.
                if f"{PREFIX}{path.name}" not in used and _is_old(path):
                    path.unlink(missing_ok=True)

    def _place(self, name: str) -> Path:
        return self._folder / name.removeprefix(PREFIX)

    def _touch(self, name: str) -> bool:
        """Whether the image is there, which from now on is as good as new."""
        now = time.time_ns()  # the file system's own clock may stand still between two requests
        with self._lock:
            try:
                os.utime(self._place(name), ns=(now, now))
            except FileNotFoundError:
                return False
        return True

    def _used(self) -> set[str]:
        with self._database.reading() as connection:
            return {
                name
                for column in (jobs.c.params, images.c.recipe)
                for text in connection.execute(_naming(column)).scalars()
                for name in NAME.findall(text)
            }

    def _read(self, source: str, of_gallery: Callable[[str], Path]) -> bytes:
        """The bytes of what a request names."""
        if source.startswith("data:"):
            return decode(source)
        try:
            kept = source.startswith(PREFIX)
            return (self._place(source) if kept else of_gallery(source)).read_bytes()
        except ImageNotFound as error:
            raise ImageRefused(error.message) from None
        except FileNotFoundError:
            raise ImageRefused("this image is not kept any more; give it again") from None

    def _examine(self, data: bytes, params: ImageParams, *, is_mask: bool) -> None:
        # Here, because most servers never get an image and start smaller without it.
        from PIL import Image, UnidentifiedImageError

        from server.worker import masks
        from server.worker.input_image import upright

        try:
            with self._decoding, warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # we count below
                with Image.open(BytesIO(data), formats=FORMATS) as image:
                    # The header tells the size; nothing is decoded before it is accepted.
                    self._check_size(image.width, image.height, params)
                    image.load()
                    upright(image.crop((0, 0, 1, 1)))  # what stands beside the pixels
                    if is_mask and masks.is_empty(masks.read_mask(image)):
                        raise ImageRefused("nothing of the mask is white: nothing to redraw")
        except ImageRefused:
            raise
        except UnidentifiedImageError:
            raise ImageRefused("this is no PNG, JPEG or WebP image") from None
        except Image.DecompressionBombError:
            raise ImageRefused(
                f"the image has far too many pixels (`max_image_pixels` is {self._max_pixels}); "
                "scale it down"
            ) from None
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - Pillow raises anything on damaged files
            reason = shortened(str(error) or type(error).__name__)
            raise ImageRefused(f"the image is damaged: {reason}") from None

    def _check_size(self, width: int, height: int, params: ImageParams) -> None:
        limits, times = params.image_limits, params.enlargement
        has = f"the image has {width} x {height} pixels"
        most = f"more than {self._max_pixels} (`max_image_pixels`)"
        if width * height > self._max_pixels:
            raise ImageRefused(f"{has}, {most}; scale it down")
        if not limits.allow(width, height):
            raise ImageRefused(f"{has}. {limits}")
        if width * height * times**2 > self._max_pixels:
            raise ImageRefused(
                f"{has}, and {times} times as wide and high it would have {width * times} x "
                f"{height * times}, {most}; enlarge it less, or give a smaller one"
            )


def _naming(column: Column[Any]) -> Select[Any]:
    """The values of a JSON column, as text, that name a given image."""
    text = cast(column, Text)
    return select(text).where(text.contains(PREFIX))


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > GRACE
    except FileNotFoundError:  # the part of a file that is whole now
        return False


def decode(data_uri: str) -> bytes:
    """The bytes of a base64 data URI.

    Raises:
        ImageRefused: the base64 is not valid.
    """
    text = data_uri.partition(",")[2]
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error as error:
        raise ImageRefused(f"the data URI is not valid base64: {error}") from None


def size_of(image: bytes) -> tuple[int, int] | None:
    """Width and height of an image as it is looked at, read from its header; None when that tells
    none, which is told when it is examined. Blocks."""
    from PIL import Image

    try:
        with Image.open(BytesIO(image), formats=FORMATS) as opened:
            return upright_size(opened)
    except Exception:  # noqa: BLE001 - Pillow raises anything on damaged files
        return None


def upright_size(image: Image) -> tuple[int, int]:
    """Width and height of an opened image as it is looked at; its pixels are not decoded."""
    from PIL import ExifTags

    # Of a PNG whose header has no EXIF, Pillow would decode everything to look for more.
    has_exif = image.format != "PNG" or "exif" in image.info
    exif = image.getexif() if has_exif else {}
    lies = exif.get(ExifTags.Base.Orientation, 1) in range(5, 9)
    width, height = image.size
    return (height, width) if lies else (width, height)
