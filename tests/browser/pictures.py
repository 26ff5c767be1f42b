"""What is on the screen, as pixels."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Locator

Pixels = np.ndarray[Any, np.dtype[np.float64]]


def pixels(encoded: bytes) -> Pixels:
    """(height, width, 3) in 0 … 255."""
    return np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"), dtype=np.float64)


def shown(place: Locator) -> Pixels:
    """A part of the screen as it looks now."""
    return pixels(place.screenshot())


def differ(one: Pixels, other: Pixels) -> float:
    """The mean difference of two pictures of one size, 0 … 255; 255 for those of two sizes."""
    return float(np.abs(one - other).mean()) if one.shape == other.shape else 255.0
