"""Masks: which pixels of an initial image are redrawn. They are greys of 255 (redrawn) and 0."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageFilter

from server.worker.input_image import fit, upright

#: What is as bright is redrawn, as in diffusers.
BRIGHT = 128

#: Pixels around what is redrawn over which it fades into what is kept.
FEATHER = 4


def open_mask(path: Path) -> Image.Image:
    """The mask of a file. The file was examined when it was accepted."""
    with Image.open(path) as file:
        return read_mask(file)


def read_mask(image: Image.Image) -> Image.Image:
    """What an image says as a mask: turned as its EXIF says, and looked at on black paper.

    Raises:
        Exception: of any kind, where what stands beside the pixels is damaged.
    """
    return upright(image, paper="black").convert("L").point(_is_bright)


def is_empty(mask: Image.Image) -> bool:
    """Whether nothing is redrawn."""
    return mask.getbbox() is None


def laid_over(mask: Image.Image, image: Image.Image, width: int, height: int) -> Image.Image:
    """A mask for `fit(image, width, height)`: stretched to `image`'s size, and cut like it. A pixel
    is redrawn if any part of it is, so that no stroke is too thin to count."""
    stretched = mask.resize(image.size, Image.Resampling.BOX).point(_is_any)
    return fit(stretched, width, height, Image.Resampling.BOX).point(_is_any)


def feathered(mask: Image.Image) -> Image.Image:
    """How much of what is redrawn shows, from 0 to 255: all of it under the mask, and less and less
    over `FEATHER` pixels around it."""
    blur = ImageFilter.BoxBlur(FEATHER // 2)
    return mask.filter(blur).point(_is_any).filter(blur)


def _is_bright(level: float) -> float:
    return 255 if level >= BRIGHT else 0


def _is_any(level: float) -> float:
    return 255 if level > 0 else 0
