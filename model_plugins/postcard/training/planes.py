"""Numbers for each pixel of a picture, from which styles are drawn: cover, lightness, distance."""

from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from .draw_flat import draw_flat
from .draw_landscape import draw_sky
from .scenes import FlatScene, Landscape, Thing
from .words import COLOURS

Plane: TypeAlias = NDArray[np.float64]

LUMA = np.array((0.299, 0.587, 0.114))


def luma(picture: NDArray[np.generic]) -> Plane:
    """Lightness [h, w] of a picture or colour [..., 3], in the picture's own range."""
    plane: Plane = np.asarray(picture, dtype=np.float64) @ LUMA
    return plane


def to_image(pixels: Plane) -> Image.Image:
    """The RGB picture of levels [h, w, 3], clipped to 0..255."""
    return Image.fromarray(pixels.clip(0, 255).round().astype(np.uint8))


def filtered(plane: Plane, kernel: ImageFilter.MultibandFilter | ImageFilter.Filter) -> Plane:
    """A plane [h, w] in 0..1 under one of Pillow's filters."""
    image = Image.fromarray((plane * 255).round().astype(np.uint8))
    return np.asarray(image.filter(kernel), dtype=np.float64) / 255


def blurred(plane: Plane, radius: float) -> Plane:
    """A plane [h, w] in 0..1, blurred over a radius in pixels."""
    return filtered(plane, ImageFilter.GaussianBlur(radius))


def cover(thing: Thing, width: int, height: int) -> Plane:
    """How much of each pixel [height, width] the thing covers, 0..1."""
    alone = FlatScene("black", (replace(thing, colour="white"),))
    level = np.asarray(draw_flat(alone, width, height), dtype=np.float64)[..., 0]
    black, white = COLOURS["black"][0], COLOURS["white"][0]
    return np.asarray((level - black) / (white - black))


def before_sky(picture: Image.Image, scene: Landscape) -> Plane:
    """How far in RGB each pixel [h, w] of a picture of the scene is from its clear sky."""
    sky = np.asarray(draw_sky(scene, *picture.size), dtype=np.float64)
    return np.asarray(np.linalg.norm(np.asarray(picture, dtype=np.float64) - sky, axis=-1))
