"""The picture that shows what a LoRA does: from its page, and beside its file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from server.source_errors import NotAWeightsFile, SourceFailed
from server.sources.civitai import Picture
from server.sources.client import Passing, SourceClient, read

#: The most bytes of a preview.
MOST_BYTES = 16 * 1024 * 1024

#: Bytes of a picture's beginning that tell its kind.
_HEAD = 12

#: The kinds of pictures that are kept: how their bytes begin, and the end of the file's name.
_KINDS = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg"))


@dataclass(frozen=True, slots=True)
class Preview:
    """A picture's bytes, and the end of its file's name: `.preview.png`, say."""

    data: bytes
    end: str


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A picture on the disk, and its media type, as its bytes say."""

    path: Path
    media_type: str


def picture_at(path: Path, folders: Iterable[Path]) -> PictureFile | None:
    """The picture beside a LoRA; None: there is none, whatever its name says, or a link leads from
    there to a place that nobody has put among the LoRAs. Blocks.

    Args:
        path: where it should be.
        folders: where LoRAs are looked for.
    """
    try:
        real = Path(os.path.realpath(path, strict=True))
        inside = any(real.is_relative_to(os.path.realpath(folder)) for folder in folders)
        if not inside or not real.is_file():
            return None
        with real.open("rb") as stream:
            kind = _kind(stream.read(_HEAD))
    except OSError:
        return None
    return None if kind is None else PictureFile(real, f"image/{kind}")


async def find_preview(pictures: Sequence[Picture], client: SourceClient) -> Preview | None:
    """The first picture of a version; None where there is none.

    It is tried once only: a LoRA does as well without.

    Args:
        pictures: those of its page, films among them.
        client: an open client.

    Raises:
        SourceFailed: it cannot be had, or is no picture.
    """
    picture = next((each for each in pictures if each.type in (None, "image")), None)
    if picture is None:
        return None
    try:
        async with client.get(picture.url) as response:
            data = await read(response, MOST_BYTES)
    except Passing as error:
        raise SourceFailed(str(error)) from error
    if len(data) > MOST_BYTES:
        raise SourceFailed(f"It has more than {MOST_BYTES} bytes.")
    kind = _kind(data)
    if kind is None:
        raise NotAWeightsFile("It is neither PNG nor JPEG nor WebP.")
    return Preview(data, f".preview.{kind}")


def _kind(data: bytes) -> str | None:
    """What a picture's first bytes say that it is."""
    for beginning, kind in _KINDS:
        if data.startswith(beginning):
            return kind
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "webp"
    return None
