"""Requests that redraw a part of their initial image."""

from __future__ import annotations

from typing import Self

from pydantic import Field, GetJsonSchemaHandler, ValidationError, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError

from server.generation import ImageToImageParams
from server.image_sources import ImageSource

IMAGE = "init_image"
MASK = "mask_image"


class InpaintingParams(ImageToImageParams):
    """Requests of families that can also redraw a part of an image and keep the rest.

    The mask is looked at on black paper, turned as its EXIF says: what is brighter than the middle
    grey is redrawn. It is stretched to the size of the initial image and cut with it.
    """

    image_words = (IMAGE, MASK)
    mask_word = MASK

    mask_image: ImageSource | None = Field(
        None,
        description="Inpainting: what of `init_image` is redrawn, given like it: white is redrawn, "
        "black and transparent are kept. It is stretched over the initial image and cut with it. "
        "Needs `init_image`.",
    )

    @model_validator(mode="after")
    def _has_what_it_masks(self) -> Self:
        if self.mask_image is not None and self.init_image is None:
            error = PydanticCustomError(
                "mask_without_image", "needs `init_image`, of which it says what is redrawn"
            )
            problem = InitErrorDetails(type=error, loc=(MASK,), input=self.mask_image)
            raise ValidationError.from_exception_data(type(self).__name__, [problem])
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The published schema says the same: no mask without an image.

        It says so with `not`, since ReDoc merges the branches of `if` and `anyOf` into the words
        and cannot merge those that may be null.
        """
        schema = handler.resolve_ref_schema(handler(core_schema))
        alone = {MASK: {"type": "string"}, IMAGE: {"type": "null"}}
        return {**schema, "not": {"properties": alone, "required": [MASK]}}
