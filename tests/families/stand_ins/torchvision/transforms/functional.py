"""The names that spandrel imports. Nothing here may be called."""

from enum import Enum
from typing import NoReturn


class InterpolationMode(Enum):
    """Only named."""

    BILINEAR = "bilinear"


def normalize(*_: object, **__: object) -> NoReturn:
    """Of a restorer of faces."""
    raise NotImplementedError


def rotate(*_: object, **__: object) -> NoReturn:
    """Of an inpainter."""
    raise NotImplementedError
