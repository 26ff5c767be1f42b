"""The JSON object in a request's body as a model of the API that it is for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from server.errors import InvalidParameters
from server.http.json_body import read_object
from server.wording import problems

Model = TypeVar("Model", bound=BaseModel)

_DEFINITIONS = "#/$defs/"

#: What pydantic calls bounds that stand behind a validator, in a number that may be null; JSON
#: Schema does not know these words.
_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}


async def read_model(request: Request, model: type[Model]) -> Model:
    """Read the body.

    Raises:
        UnsupportedMediaType: it is declared as something other than JSON.
        MalformedRequest: it is not a JSON object in UTF-8.
        InvalidParameters: the model does not take it; with one problem per field.
    """
    body = await read_object(request)
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise InvalidParameters(problems(error)) from None


def described(schema: Mapping[str, Any], example: Mapping[str, Any]) -> dict[str, Any]:
    """How the documentation describes such a body: `openapi_extra` of its route.

    Args:
        schema: the model's JSON Schema; what it refers to is written out.
        example: a body as it is sent.
    """
    written_out = _written_out(dict(schema), schema.get("$defs", {}))
    content = {"schema": written_out, "example": example}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


def _written_out(value: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_written_out(item, definitions) for item in value]
    if not isinstance(value, dict):
        return value
    # A reference of a schema means a place in the whole document, where these do not stand.
    named = str(value.get("$ref", "")).removeprefix(_DEFINITIONS)
    whole = {**definitions.get(named, {}), **value}
    return {
        _word(word, item): _written_out(item, definitions)
        for word, item in whole.items()
        if word not in ("$ref", "$defs")
    }


def _word(word: str, value: Any) -> str:
    # A property that has such a name is no number.
    return _BOUNDS.get(word, word) if isinstance(value, int | float) else word
