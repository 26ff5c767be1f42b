"""Images that clients give for the answer alone: opened with care."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING

from server.dialects.automatic1111.translate import image_source
from server.errors import InvalidParameters
from server.inputs import FORMATS, ImageRefused, decode
from server.wording import shortened

if TYPE_CHECKING:
    from PIL.Image import Image


@contextmanager
def opened(given: str, word: str, max_pixels: int | None = None) -> Iterator[Image]:
    """An image in base64; what goes wrong with it in the block is the request's fault. Blocks.

    Args:
        given: the image, with or without a data URI's beginning.
        word: where the request has it.
        max_pixels: the most that it may have, for blocks that decode it; None: any number.

    Raises:
        InvalidParameters: it is no PNG, JPEG or WebP, is damaged, or too large.
    """
    # Here, because most servers never get an image and start smaller without it.
    from PIL import Image, UnidentifiedImageError

    try:
        data = decode(image_source(given))
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            if max_pixels is not None and image.width * image.height > max_pixels:
                raise ImageRefused(f"the image has more than {max_pixels} pixels")
            yield image
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - Pillow raises anything on damaged files
        is_other = isinstance(error, UnidentifiedImageError)
        told = "it is no PNG, JPEG or WebP" if is_other else str(error) or type(error).__name__
        reason = shortened(told)
        problem = {
            "loc": ["body", word],
            "msg": f"Invalid encoded image: {reason}",
            "type": "image",
        }
        raise InvalidParameters([problem]) from None
