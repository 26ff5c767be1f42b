"""Images that a request begins with: from a file to pixels."""

from __future__ import annotations

import warnings
from pathlib import Path

from PIL import Image, ImageOps

#: What one of the 256 levels of a grey is in 16 bits.
_LEVEL = 257


def open_upright(path: Path) -> Image.Image:
    """The image of a file as `upright` gives it. The file was examined when it was accepted."""
    with Image.open(path) as file:
        return upright(file)


def upright(image: Image.Image, paper: str = "white") -> Image.Image:
    """The image as RGB, turned as its EXIF says; `paper` is the colour of what is transparent.

    Raises:
        Exception: of any kind, where what stands beside the pixels is damaged.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # EXIF with small faults is everywhere
        image = _of_8_bits(ImageOps.exif_transpose(image))
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA"):
        sheet = Image.new("RGBA", image.size, paper)
        image = Image.alpha_composite(sheet, image.convert("RGBA"))
    return image.convert("RGB")


def _of_8_bits(image: Image.Image) -> Image.Image:
    """Pillow would cut greys of 16 bits off at 255 instead of scaling them."""
    if image.mode != "I;16":
        return image
    scaled = image.point(lambda level: level * (1 / _LEVEL) + 0.5).convert("L")
    if "transparency" in image.info:
        scaled.info["transparency"] = round(image.info["transparency"] / _LEVEL)
    return scaled


def fit(
    image: Image.Image,
    width: int,
    height: int,
    resampling: Image.Resampling = Image.Resampling.LANCZOS,
) -> Image.Image:
    """`image` scaled to cover `width` × `height` pixels and cut to them around its centre."""
    return ImageOps.fit(image, (width, height), resampling)
