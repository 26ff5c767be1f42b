"""Images that a request begins with: from a file to pixels."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageOps


def open_upright(path: Path) -> Image.Image:
    """The image as RGB, turned as its EXIF says, its transparency white.

    The file was examined when it was accepted.
    """
    with Image.open(path) as file:
        image = ImageOps.exif_transpose(file)
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA"):
        paper = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(paper, image.convert("RGBA"))
    return image.convert("RGB")


def fit(image: Image.Image, width: int, height: int) -> Image.Image:
    """`image` scaled to cover `width` × `height` pixels and cut to them around its centre."""
    return ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)
