"""Draws any scene."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .draw_flat import draw_flat
from .draw_landscape import draw_landscape
from .scenes import FlatScene, Scene

NATIVE = 128

Picture: TypeAlias = NDArray[np.uint8]


def draw(scene: Scene, width: int = NATIVE, height: int = NATIVE) -> Image.Image:
    """The scene as an RGB picture of width x height pixels; the same scene, the same pixels."""
    if isinstance(scene, FlatScene):
        return draw_flat(scene, width, height)
    return draw_landscape(scene, width, height)
