"""What the user may change of a LoRA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from server.errors import InvalidParameters
from server.generation import LoraWeight, TriggerWeight
from server.loras.facts import MAX_PHRASE, MAX_PHRASES, text
from server.wording import VISIBLE, problems

_Name = Annotated[str, StringConstraints(max_length=200, pattern=VISIBLE)]
_Phrase = Annotated[str, StringConstraints(max_length=MAX_PHRASE, pattern=VISIBLE)]


class LoraEdits(BaseModel):
    """What to change of a LoRA. What is left out stays as it is; null takes a change back, so that
    what is known otherwise shows again."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: _Name | None = Field(None, description="What to call it.")
    trigger_words: Annotated[list[_Phrase], Field(max_length=MAX_PHRASES)] | None = Field(
        None, description="Phrases that its training tied to it; [] for none."
    )
    weight: LoraWeight | None = Field(
        None, description="How strongly it acts where a request does not say, from −2 to 2."
    )
    trigger_weight: TriggerWeight | None = Field(
        None,
        description="How strongly its trigger words act where a request does not say, 0 to 2.",
    )
    notes: Annotated[str, Field(max_length=10_000)] | None = Field(
        None, description="Whatever you want to remember of it."
    )

    @staticmethod
    def read(changes: Mapping[str, Any]) -> dict[str, Any]:
        """The changes that a request asks for, by name; None takes one back.

        Raises:
            InvalidParameters: with one problem per field.
        """
        try:
            edits = LoraEdits.model_validate(dict(changes))
        except ValidationError as error:
            raise InvalidParameters(problems(error)) from None
        given = edits.model_dump(include=edits.model_fields_set)
        if edits.name is not None:
            given["name"] = text(edits.name)
        if edits.trigger_words is not None:
            given["trigger_words"] = list(dict.fromkeys(map(text, edits.trigger_words)))
        return given
