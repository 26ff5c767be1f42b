"""Pictures in base64, there and back."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import Any

from PIL import Image

#: The colours' red.
RED = (200, 30, 30)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> str:
    """An image file in base64."""
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return base64.b64encode(buffer.getvalue()).decode()


def decoded(text: str) -> Image.Image:
    """The image of a file in base64, without a data URI's beginning."""
    return Image.open(BytesIO(base64.b64decode(text, validate=True)))


def plain(size: tuple[int, int], colour: tuple[int, int, int] = RED) -> Image.Image:
    """An image of one colour."""
    return Image.new("RGB", size, colour)
