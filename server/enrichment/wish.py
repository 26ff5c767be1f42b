"""What is to be enriched, and how: checked once for everyone who asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from server.enrichment.styles import DEFAULT, STYLES
from server.errors import InvalidParameters
from server.wording import VISIBLE, problems, shortened

#: Characters of a prompt, and of one that was enriched.
MAX_LENGTH = 2000


def _known(style: str) -> str:
    if style in STYLES:
        return style
    raise PydanticCustomError(
        "unknown_style",
        "'{style}' is none of the styles: {known}",
        {"style": shortened(style), "known": ", ".join(STYLES)},
    )


StyleName = Annotated[
    str,
    AfterValidator(_known),
    WithJsonSchema({"type": "string", "enum": [*STYLES]}),
]


class Wish(BaseModel):
    """A prompt to write out."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        json_schema_extra={"examples": [{"prompt": "a castle on a hill", "style": "fantasy"}]},
    )

    prompt: str = Field(
        min_length=1,
        max_length=MAX_LENGTH,
        pattern=VISIBLE,
        description="What the image shows, in a few words of any language.",
    )
    style: StyleName = Field(DEFAULT, description="How to write it out.")

    @staticmethod
    def read(body: Mapping[str, Any]) -> Wish:
        """The wish that a request's body means.

        Raises:
            InvalidParameters: with one problem per field; an unknown style names the known ones.
        """
        try:
            return Wish.model_validate(dict(body))
        except ValidationError as error:
            raise InvalidParameters(problems(error)) from None
