"""Larger images of the size that a request names; an upscaler makes them by whole factors only."""

from __future__ import annotations

import math
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from server.dialects.automatic1111.given import opened
from server.dialects.automatic1111.protocol import ExtraSingleImage
from server.errors import InvalidParameters
from server.inputs import upright_size

if TYPE_CHECKING:
    from PIL.Image import Image

Size = tuple[int, int]

#: The factors of upscalers.
LEAST, MOST = 2, 8

#: The upscaler that leaves images as they are.
NONE = "None"


def scale_for(asked: ExtraSingleImage, size: Size) -> int:
    """The factor to enlarge an image of this size by: at least as large as what is asked for."""
    factor = asked.upscaling_resize if asked.resize_mode == 0 else max(_factors(asked, size))
    return min(max(math.ceil(factor), LEAST), MOST)


def size_for(asked: ExtraSingleImage, size: Size) -> Size:
    """The size that an image of this size is to become, before anything is cut off."""
    is_relative = asked.resize_mode == 0
    factor = min(asked.upscaling_resize, MOST) if is_relative else max(_factors(asked, size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def check(asked: ExtraSingleImage, size: Size, max_pixels: int) -> None:
    """
    Raises:
        InvalidParameters: the result would have too many pixels.
    """
    width, height = size_for(asked, size)
    if width * height > max_pixels:
        word = "upscaling_resize" if asked.resize_mode == 0 else "upscaling_resize_w"
        text = f"{width} × {height} pixels are more than {max_pixels} (`max_image_pixels`)"
        raise InvalidParameters([{"loc": ["body", word], "msg": text, "type": "too_many_pixels"}])


def size_of(image: str, max_pixels: int) -> Size:
    """Width and height of a given image as it is to be looked at. Blocks.

    Raises:
        InvalidParameters: it is no image, or too large.
    """
    with opened(image, "image", max_pixels) as file:
        return upright_size(file)


def unchanged(image: str, max_pixels: int) -> bytes:
    """A given image as a PNG. Blocks.

    Raises:
        InvalidParameters: it is no image, or too large.
    """
    from PIL import ImageOps

    with opened(image, "image", max_pixels) as file:
        upright = ImageOps.exif_transpose(file)
        return _png(upright.convert("RGB") if upright.mode == "CMYK" else upright)


def finished(path: Path, asked: ExtraSingleImage, size: Size) -> bytes:
    """The PNG that a request gets, from what the upscaler made of an image of this size. Blocks."""
    # Here, because most servers never get an image and start smaller without it.
    from PIL import Image

    wanted, target = size_for(asked, size), (asked.upscaling_resize_w, asked.upscaling_resize_h)
    with Image.open(path) as image:
        if asked.resize_mode == 1 and asked.upscaling_crop:
            left, top = ((whole - part) // 2 for whole, part in zip(wanted, target, strict=True))
            larger = image.resize(wanted, Image.Resampling.LANCZOS)
            return _png(larger.crop((left, top, left + target[0], top + target[1])))
        if image.size != wanted:
            return _png(image.resize(wanted, Image.Resampling.LANCZOS))
    return path.read_bytes()


def _factors(asked: ExtraSingleImage, size: Size) -> tuple[float, float]:
    return asked.upscaling_resize_w / size[0], asked.upscaling_resize_h / size[1]


def _png(image: Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
