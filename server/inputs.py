"""Images that clients give: examined, then kept under the hash of their bytes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import time
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Select, Text, cast, select

from server.database import Database, images, jobs
from server.errors import StorageFailed
from server.storage import write_whole

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

    def keep(self, data: bytes) -> str:
        """Keep an image and return its name in requests and recipes.

        Raises:
            ImageRefused: it is no PNG, JPEG or WebP, is damaged, or too large.
            StorageFailed: it cannot be written.
        """
        self._examine(data)
        name = hashlib.sha256(data).hexdigest()
        path = self._folder / name
        try:
            if path.exists():
                path.touch()
            else:
                write_whole(path, data)
        except OSError as error:
            raise StorageFailed(
                f"The given image could not be written to {self._folder}: "
                f"{error.strerror or error}. Free disk space or mend the folder's permissions."
            ) from error
        return f"{PREFIX}{name}"

    def path(self, name: str) -> Path | None:
        """The file of a kept image, None when it is not there."""
        path = self._folder / name.removeprefix(PREFIX)
        return path if path.is_file() else None

    def sweep(self) -> None:
        """Remove images that no job and no recipe names, at most once in `GRACE`."""
        if time.monotonic() - self._swept < GRACE:
            return
        self._swept = time.monotonic()
        old = [path for path in self._folder.iterdir() if _age(path) > GRACE]
        used = self._used() if old else set()
        for path in old:
            if f"{PREFIX}{path.name}" not in used:
                path.unlink(missing_ok=True)

    def _used(self) -> set[str]:
        with self._database.reading() as connection:
            return {
                name
                for column in (jobs.c.params, images.c.recipe)
                for text in connection.execute(_naming(column)).scalars()
                for name in NAME.findall(text)
            }

    def _examine(self, data: bytes) -> None:
        # Here, because most servers never get an image and start smaller without it.
        from PIL import Image, UnidentifiedImageError

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # we count below
                with Image.open(BytesIO(data), formats=FORMATS) as image:
                    # The header tells the size; nothing is decoded before it is accepted.
                    if image.width * image.height > self._max_pixels:
                        raise ImageRefused(
                            f"the image has {image.width} x {image.height} pixels, more than "
                            f"{self._max_pixels} (`max_image_pixels`); scale it down"
                        )
                    image.load()
        except UnidentifiedImageError:
            raise ImageRefused("this is no PNG, JPEG or WebP image") from None
        except Image.DecompressionBombError:
            raise ImageRefused("the image has far too many pixels; scale it down") from None
        except (OSError, SyntaxError, ValueError) as error:
            raise ImageRefused(f"the image is damaged: {error}") from None


def _naming(column: Column[Any]) -> Select[Any]:
    """The values of a JSON column, as text, that name a given image."""
    text = cast(column, Text)
    return select(text).where(text.contains(PREFIX))


def _age(path: Path) -> float:
    return time.time() - path.stat().st_mtime


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
