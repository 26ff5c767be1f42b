"""Errors in this API's shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response

from server.dialects.desktop.protocol import Code, Failure
from server.errors import (
    DarkroomError,
    DatabaseUnavailable,
    ImageNotFound,
    InvalidParameters,
    JobFailure,
    StorageFailed,
)
from server.http.wait_errors import GenerationTimeout
from server.wording import shortened, summary

#: The type of a problem with `storagePath` that only the disk can tell.
STORAGE = "storage"

#: The codes of what goes by its status.
BY_STATUS = {
    401: Code.UNAUTHORIZED,
    403: Code.FORBIDDEN,
    404: Code.NOT_FOUND,
    405: Code.METHOD_NOT_ALLOWED,
    413: Code.PAYLOAD_TOO_LARGE,
    429: Code.RATE_LIMITED,
}

#: What is wrong with a prompt, by pydantic's word for it; all else is that there is none.
PROMPT_PROBLEMS = {
    "string_too_long": "Prompt is too long",
    "string_type": "Prompt must be a text",
    "string_unicode": "Prompt must be a text",
}

#: pydantic's words for a body that is none, or no object.
NO_OBJECT = ("missing", "model_attributes_type", "model_type", "dict_type")

#: Where the parts of a request stand, as the web framework calls it.
PLACES = ("body", "query", "path", "header")


def render(error: DarkroomError, connection: HTTPConnection) -> Response:
    """`{success: false, error, code, details}`. What the server is to blame for was logged where it
    happened."""
    return JSONResponse(document(error), status_of(error), headers=error.headers)


def status_of(error: DarkroomError) -> int:
    """The status of the answer: refused parameters are 400 here, and what takes too long 500."""
    match error:
        case GenerationTimeout():
            return 500
        case _ if error.status == InvalidParameters.status:
            return 400
    return error.status


def document(error: DarkroomError) -> dict[str, Any]:
    """An error as this API tells it."""
    if isinstance(error, InvalidParameters):
        failure = _refused(error.errors)
    else:
        text = _text(error)
        more = {} if text == error.message else {"message": error.message}
        details = {"reason": error.code, **more}
        failure = Failure(error=text, code=_code(error), details=details)
    return failure.model_dump(mode="json", by_alias=True)


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer with these statuses besides those of all."""
    every = sorted({*statuses, 401, 403, 500, 503})
    return {status: {"model": Failure, "description": DESCRIPTIONS[status]} for status in every}


DESCRIPTIONS: Mapping[int, str] = {
    400: "The request is refused: `INVALID_PROMPT`, `INVALID_PARAMETERS`, `STORAGE_ERROR`.",
    401: "The server asks for a key: `UNAUTHORIZED`.",
    403: "The key may not be used for this, or the page may not: `FORBIDDEN`.",
    404: "There is no such thing: `NOT_FOUND`.",
    413: "The body is too large: `PAYLOAD_TOO_LARGE`.",
    416: "No byte of the wanted range exists: `INVALID_PARAMETERS`.",
    429: "A limit is reached: `RATE_LIMITED`.",
    500: "It failed: `API_ERROR`, `API_TIMEOUT`, `STORAGE_ERROR`.",
    503: "The server cannot take it now: `API_ERROR`, `DATABASE_ERROR`.",
}


def _code(error: DarkroomError) -> Code:
    match error:
        case GenerationTimeout():
            return Code.API_TIMEOUT
        case StorageFailed():
            return Code.STORAGE_ERROR
        case DatabaseUnavailable():
            return Code.DATABASE_ERROR
        case _ if error.status in BY_STATUS:
            return BY_STATUS[error.status]
        case _ if error.status < 500:
            return Code.INVALID_PARAMETERS
    return Code.API_ERROR


def _text(error: DarkroomError) -> str:
    match error:
        case ImageNotFound():
            return "Generation not found"
        case GenerationTimeout():
            return "Generation failed: API timeout"
        case JobFailure():
            return f"Generation failed: {error.message}"
    return error.message


def _refused(problems: Sequence[Mapping[str, Any]]) -> Failure:
    bare = [_told(item) for item in problems]
    fields = [".".join(item["loc"]) for item in bare]
    told = [
        {"field": field, "message": item["msg"]} for field, item in zip(fields, bare, strict=True)
    ]
    if "prompt" in fields:
        code, text = Code.INVALID_PROMPT, bare[fields.index("prompt")]["msg"]
    else:
        is_storage = any(item["type"] == STORAGE for item in bare)
        code = Code.STORAGE_ERROR if is_storage else Code.INVALID_PARAMETERS
        text = summary(bare)
    return Failure(error=text, code=code, details={"errors": told})


def _told(problem: Mapping[str, Any]) -> dict[str, Any]:
    """A problem in this API's words."""
    loc, text = _bare(problem["loc"]), problem["msg"]
    if loc == ["prompt"]:
        text = PROMPT_PROBLEMS.get(problem["type"], "Prompt is required")
    elif not loc and problem["type"] in NO_OBJECT:
        text = "The body must be a JSON object"
    return {**problem, "loc": loc, "msg": text}


def _bare(loc: Sequence[str | int]) -> list[str]:
    """The path to a field, without the part of the request that it stands in, as it can be told:
    an unknown word may be anything."""
    steps = loc[1:] if loc and loc[0] in PLACES else loc
    return [shortened(str(step)).encode("utf-8", "replace").decode() for step in steps]
