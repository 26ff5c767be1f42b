"""Images in the formats that other APIs' clients ask for."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path
from threading import Semaphore
from typing import Literal

#: The formats that images are answered in.
ImageFormat = Literal["png", "jpeg", "webp"]

#: Images that are converted at a time: it takes memory and a processor each.
_PLACES = Semaphore(2)


def converted(image: Path | bytes, kind: ImageFormat, quality: int = 100) -> bytes:
    """An image of ours, a PNG or a preview, in another format; of the same image always the same
    bytes. Blocks.

    Args:
        image: the file, or its bytes.
        kind: the format.
        quality: of JPEG and WebP, in percent.
    """
    # Here, because most servers never need it and start smaller without it.
    from PIL import Image

    source = image if isinstance(image, Path) else BytesIO(image)
    written = BytesIO()
    with _PLACES, Image.open(source, formats=("PNG", "JPEG")) as opened:
        opened.convert("RGB").save(written, kind.upper(), **_options(kind, quality))
    return written.getvalue()


def base64_of(image: bytes) -> str:
    """An image file in base64."""
    return base64.b64encode(image).decode("ascii")


def _options(kind: ImageFormat, quality: int) -> dict[str, int]:
    # To Pillow a JPEG's quality of 0 means none in particular.
    return {} if kind == "png" else {"quality": max(1, quality)}
