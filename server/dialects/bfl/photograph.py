"""Pictures in the format that photographs have: what Black Forest Labs' clients expect."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from server.http.image_formats import converted

#: Like that of the originals' images.
QUALITY = 95


def jpeg(path: Path) -> bytes:
    """The image of a PNG file as JPEG; of one file always the same bytes. Blocks."""
    return converted(path, "jpeg", QUALITY)


def size_of(image: bytes) -> tuple[int, int] | None:
    """Width and height of an image as it is looked at, read from its header; None when it has
    none, which is told when it is examined. Blocks."""
    from PIL import ExifTags, Image

    from server.inputs import FORMATS

    try:
        with Image.open(BytesIO(image), formats=FORMATS) as opened:
            lies = opened.getexif().get(ExifTags.Base.Orientation, 1) in range(5, 9)
            width, height = opened.size
    except Exception:  # noqa: BLE001 - Pillow raises anything on damaged files
        return None
    return (height, width) if lies else (width, height)
