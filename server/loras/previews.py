"""The picture that shows what a LoRA does, from its page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from server.source_errors import NotAWeightsFile, SourceFailed
from server.sources.civitai import Picture
from server.sources.client import Passing, SourceClient, read

#: The most bytes of a preview.
MOST_BYTES = 16 * 1024 * 1024

#: The kinds of pictures that are kept: how their bytes begin, and the end of the file's name.
_KINDS = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg"))


@dataclass(frozen=True, slots=True)
class Preview:
    """A picture's bytes, and the end of its file's name: `.preview.png`, say."""

    data: bytes
    end: str


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
    return Preview(data, f".preview.{_kind(data)}")


def _kind(data: bytes) -> str:
    for beginning, kind in _KINDS:
        if data.startswith(beginning):
            return kind
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "webp"
    raise NotAWeightsFile("It is neither PNG nor JPEG nor WebP.")
