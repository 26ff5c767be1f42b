"""The images that requests begin with: `seedImage` and `imagePath`."""

from __future__ import annotations

import asyncio
import os
import re
import stat
from pathlib import Path

from starlette.requests import HTTPConnection

from server.dialects.desktop.paths import inside
from server.dialects.desktop.translate import Source
from server.errors import InvalidParameters
from server.folders import absolute
from server.http.host import DialectHost
from server.image_sources import data_uri
from server.inputs import ImageRefused, decode, size_of

#: A `filePath` of ours, however its beginning is written, or what a `url` of ours has in its place.
FILE_PATH = re.compile(
    r"(?:\./|/)?generated/(?:image_(\d{1,18})\.png|(\d{8}_\d{6}_[0-9a-f]{8}_\d{1,3}\.png))"
)

#: The beginning of a data URI in base64, with any parameters.
DATA = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)

#: Longer texts name no file.
MAX_PATH = 4096

#: A pipe must not be waited for, and a link that was put there a moment ago not be followed.
FLAGS = os.O_RDONLY
for _name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):  # not every system has each
    FLAGS |= getattr(os, _name, 0)

FORMS = (
    "must be a `filePath` of this server, a data URI (PNG, JPEG or WebP in base64), or the path of "
    "an image inside one of the folders that the setting `allowed_folders` names"
)


class Sources:
    """Finds what requests name, and reads nothing else."""

    def __init__(self, host: DialectHost) -> None:
        settings = host.service.settings
        self._host = host
        self._folders = settings.allowed_folders
        self._max_bytes = settings.max_body_bytes

    async def find(self, connection: HTTPConnection, text: str, word: str) -> Source:
        """The image that a request's `word` names.

        Raises:
            ImageNotFound: it names an image of ours that is not there.
            InvalidParameters: it names nothing that may be read.
        """
        base = f"{self._host.base_url(connection)}/"
        if ours := FILE_PATH.fullmatch(text.removeprefix(base)):
            number, name = ours.groups()
            pictures = self._host.service.pictures
            record = await (pictures.named(name) if name else pictures.numbered(int(number)))
            return Source(record.filename, (record.width, record.height))
        try:
            return await asyncio.to_thread(self._read, text)
        except ImageRefused as error:
            problem = {"loc": [word], "msg": str(error), "type": "image"}
            raise InvalidParameters([problem]) from None

    def _read(self, text: str) -> Source:
        if head := DATA.match(text):
            image = decode(f"data:,{text[head.end() :]}")
        else:
            image = self._file(text)
        # Whatever the client calls it: what it is shows when it is examined.
        return Source(data_uri(image), size_of(image))

    def _file(self, text: str) -> bytes:
        if len(text) > MAX_PATH:
            raise ImageRefused(FORMS)
        # A relative path is one below any of the folders.
        for folder in self._folders:
            place = inside(absolute(folder) / text, self._folders)
            if place is not None and _is_file(place):
                return self._bytes(place)
        raise ImageRefused(FORMS)

    def _bytes(self, place: Path) -> bytes:
        """What stands in a file that may be read."""
        try:
            with open(os.open(place, FLAGS), "rb") as file:  # noqa: PTH123 - of a descriptor
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise ImageRefused(FORMS)
                data = file.read(self._max_bytes + 1)
        except OSError as error:
            raise ImageRefused(f"cannot be read: {error.strerror or error}") from None
        if len(data) > self._max_bytes:
            raise ImageRefused(f"has more than {self._max_bytes} bytes (`max_body_bytes`)")
        return data


def _is_file(place: Path) -> bool:
    try:
        return place.is_file()
    except OSError:  # its name is too long for the disk, say
        return False
