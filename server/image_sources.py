"""How requests name the images that they begin with, and which of these models take."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import PydanticCustomError


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """Which images a model can begin with: the least pixels of each edge, and how many times the
    shorter edge the longer one may be (None: any). As a text it is a sentence for the description
    of a field."""

    min_edge: int = 1
    max_ratio: int | None = None

    def __str__(self) -> str:
        ratio = "" if self.max_ratio is None else f", and at most {self.max_ratio} : 1"
        return f"At least {self.min_edge} pixels wide and high{ratio}."

    def allow(self, width: int, height: int) -> bool:
        """Whether an image of this size will do."""
        shorter, longer = sorted((width, height))
        ratio_fits = self.max_ratio is None or longer <= self.max_ratio * shorter
        return shorter >= self.min_edge and ratio_fits


_IMAGE_SOURCE = (
    r"^(data:image/(png|jpeg|webp);base64,[A-Za-z0-9+/\s]+={0,2}\s*"
    r"|\d{8}_\d{6}_[0-9a-f]{8}_\d+\.png|input:[0-9a-f]{64})$"
)


def _image_source(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    try:
        return handler(value)
    except ValidationError:
        raise PydanticCustomError(
            "image_source",
            "must be a data URI (PNG, JPEG or WebP in base64) or the file name of an image of the "
            "gallery; or send the image as a file, in a form",
        ) from None


#: How a request names an image: its bytes as a data URI (PNG, JPEG or WebP, base64), the file name
#: of an image of the gallery, or `input:` and a hash, as recipes name an image that was given.
ImageSource = Annotated[str, Field(pattern=_IMAGE_SOURCE), WrapValidator(_image_source)]


def data_uri(image: bytes) -> str:
    """The bytes of an image file as an `ImageSource`."""
    # What the file really is shows when it is examined; no declared type is trusted.
    return f"data:image/png;base64,{base64.b64encode(image).decode()}"
