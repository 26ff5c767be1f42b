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
    height, width = mask.shape
    rows, columns = np.indices(mask.shape)
    beside = _spread(columns[mask] / width) > _spread(rows[mask] / height)
    half: Mask = columns < width / 2 if beside else rows < height / 2
    return half


def _spread(positions: NDArray[np.float64]) -> float:
    return float(positions.std()) if positions.size else 0.0
