"""Pictures to begin with: one that lies on its side, and one that is partly transparent."""

from __future__ import annotations

import base64
from functools import cache
from io import BytesIO

from PIL import Image

ORIENTATION = 0x0112


@cache
def photo() -> bytes:
    """A JPEG on its side: its EXIF says to turn it a quarter to the right."""
    picture = Image.merge("RGB", [_slope(120, 88, turn) for turn in (0, 90, 180)])
    picture.paste((200, 30, 60), (20, 10, 60, 40))
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=90, exif=exif)
    return buffer.getvalue()


@cache
def sticker() -> bytes:
    """A PNG that grows more transparent upwards."""
    picture = Image.new("RGBA", (72, 130), (20, 120, 220, 255))
    picture.paste((240, 200, 40, 255), (10, 30, 50, 90))
    picture.putalpha(_slope(72, 130))
    buffer = BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def data_uri(file: bytes) -> str:
    """A PNG or JPEG file in the form that requests carry."""
    kind = "jpeg" if file.startswith(b"\xff\xd8") else "png"
    return f"data:image/{kind};base64,{base64.b64encode(file).decode()}"


def _slope(width: int, height: int, turn: int = 0) -> Image.Image:
    """Greys from black above to white below, turned to the left by `turn` degrees."""
    return Image.linear_gradient("L").rotate(turn).resize((width, height))
