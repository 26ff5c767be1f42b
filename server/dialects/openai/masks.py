"""Masks: where an image is to change. Here the mask is transparent there; to our models white."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from server.dialects.openai.translate import Size, refused
from server.errors import InvalidParameters
from server.inputs import size_of
from server.wording import shortened

if TYPE_CHECKING:
    from PIL.Image import Image


def ours(mask: bytes, size: Size) -> bytes:
    """A mask as our models take it: a grey PNG, white where the given one is wholly transparent.
    Blocks.

    Args:
        mask: the given one.
        size: width and height of the first image; so many pixels may be decoded.

    Raises:
        InvalidParameters: it is no PNG, has no transparency, or is not as large as the image.
    """
    # Here, because most servers never get a mask and start smaller without it.
    from PIL import Image, UnidentifiedImageError

    found = size_of(mask)
    if found is None:
        raise refused("mask", "this is no image; send a PNG with transparency")
    if found != size:
        text = f"has {found[0]} x {found[1]} pixels, and the image {size[0]} x {size[1]}"
        raise refused("mask", f"{text}; make them the same")
    try:
        with Image.open(BytesIO(mask), formats=("PNG",)) as image:
            return _white_where_transparent(image)
    except (InvalidParameters, MemoryError):
        raise
    except UnidentifiedImageError:
        raise refused("mask", "this is no PNG") from None
    except Exception as error:  # noqa: BLE001 - Pillow raises anything on damaged files
        reason = shortened(str(error) or type(error).__name__)
        raise refused("mask", f"this is a damaged PNG: {reason}") from None


def _white_where_transparent(image: Image) -> bytes:
    """
    Raises:
        InvalidParameters: the image has no transparency at all.
    """
    if "transparency" not in image.info and image.mode not in ("RGBA", "LA", "PA"):
        raise refused("mask", "has no transparency: what is to change must be transparent in it")
    alpha = image.convert("RGBA").getchannel("A")
    written = BytesIO()
    alpha.point(lambda level: 0 if level else 255).save(written, "PNG")
    return written.getvalue()
