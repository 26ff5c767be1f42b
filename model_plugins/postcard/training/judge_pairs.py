"""Judges a picture of two things on a flat ground: each by itself, in its own half."""

import numpy as np
from numpy.typing import NDArray

from .judge_flat import Mask, Sight, foreground, look


def look_at_pair(picture: NDArray[np.uint8]) -> tuple[Sight, Sight]:
    """The things of a picture [height, width, 3]: left and right, or upper and lower."""
    first = _first_half(foreground(picture))
    return look(picture, first), look(picture, ~first)


def _first_half(mask: Mask) -> Mask:
    """The left or the upper half: across the direction in which what is covered spreads more."""
    rows, columns = np.nonzero(mask)
    half = np.zeros_like(mask)
    if _spread(columns) > _spread(rows):
        half[:, : mask.shape[1] // 2] = True
    else:
        half[: mask.shape[0] // 2] = True
    return half


def _spread(positions: NDArray[np.int64]) -> float:
    return float(positions.std()) if positions.size else 0.0
