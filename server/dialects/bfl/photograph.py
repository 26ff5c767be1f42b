"""Pictures in the format that photographs have: what Black Forest Labs' clients expect."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from threading import Semaphore

#: Like that of the originals' images.
QUALITY = 95

#: Images that are converted at a time: it takes memory and a processor each.
_PLACES = Semaphore(2)


def jpeg(path: Path) -> bytes:
    """The image of a PNG file as JPEG; of one file always the same bytes. Blocks."""
    # Here, because most servers never need it and start smaller without it.
    from PIL import Image

    written = BytesIO()
    with _PLACES, Image.open(path, formats=("PNG",)) as image:
        image.convert("RGB").save(written, "JPEG", quality=QUALITY)
    return written.getvalue()


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
