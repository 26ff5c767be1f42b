"""From an image to the bytes of its PNG and of its thumbnail. Pure functions, thread-safe."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any

from PIL.Image import Image, Resampling, new

from server import pnginfo

#: The longest edge a thumbnail has, in pixels.
THUMBNAIL_EDGE = 320


def png(image: Image, recipe: Mapping[str, Any]) -> bytes:
    """`image`, lossless, with its recipe inside."""
    buffer = BytesIO()
    # Level 1 takes half the time of the default level and costs a few percent of size.
    image.save(buffer, "PNG", compress_level=1, pnginfo=pnginfo.chunks(recipe))
    return buffer.getvalue()


def thumbnail(image: Image) -> bytes:
    """`image` as a small WebP: its longest edge is at most 320 pixels and half the image's."""
    longest = max(image.size)
    edge = max(1, min(THUMBNAIL_EDGE, longest // 2))
    width, height = (max(1, round(side * edge / longest)) for side in image.size)
    buffer = BytesIO()
    image.resize((width, height), Resampling.LANCZOS).save(buffer, "WEBP", quality=80)
    return buffer.getvalue()


def warm_up() -> None:
    """Let Pillow import its encoders, which it does when they are first used."""
    dot = new("RGB", (1, 1))
    png(dot, {"prompt": "", "width": 1, "height": 1})
    thumbnail(dot)
