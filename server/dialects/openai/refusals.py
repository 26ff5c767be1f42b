"""Errors in this API's shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response

from server.dialects.openai.protocol import Error
from server.dialects.openai.translate import in_their_words
from server.errors import (
    DarkroomError,
    InvalidParameters,
    JobAlreadyEnded,
    ModelNotFound,
    Unavailable,
    UnsupportedMediaType,
)
from server.http.wait_errors import GenerationTimeout
from server.key_errors import KeyNeeded, ScopeMissing
from server.limit_errors import TooManyRequests
from server.wording import shortened

#: Official clients send a request up to three times, unless an answer says otherwise. Here the
#: first one may have made its image, or would fail again.
ONCE = {"x-should-retry": "false"}

#: This API's codes where they differ from ours.
CODES: tuple[tuple[type[DarkroomError], str], ...] = (
    (KeyNeeded, "invalid_api_key"),
    (ScopeMissing, "insufficient_permissions"),
    (TooManyRequests, "rate_limit_exceeded"),
    (JobAlreadyEnded, "cancelled"),
)

#: This API's kinds of errors by status; all others are the request's fault.
TYPES: Mapping[int, str] = {409: "conflict_error", 429: "requests", 500: "server_error"}

DESCRIPTIONS: Mapping[int, str] = {
    400: "The request is refused; `param` names the word that is at fault.",
    401: "The server asks for a key: `invalid_api_key`.",
    403: "The key may not be used for this, or the page may not.",
    404: "There is no such thing: `model_not_found`, say.",
    409: "The job was cancelled: `cancelled`.",
    413: "The body is too large.",
    416: "No byte of the wanted range exists.",
    429: "A limit is reached: `rate_limit_exceeded`. `Retry-After` says how long.",
    500: "It failed; `code` says at what.",
    503: "The server cannot take it now. `Retry-After` says how long.",
}


def render(error: DarkroomError, connection: HTTPConnection) -> Response:
    """The answer to a request that met `error`."""
    status = status_of(error)
    is_final = status == 409 or (status >= 500 and not isinstance(error, Unavailable))
    headers = {**error.headers, **(ONCE if is_final else {})}
    return JSONResponse(document(error), status, headers=headers)


def status_of(error: DarkroomError) -> int:
    """The status of the answer: whatever is wrong with a request is 400 here, and what takes too
    long 500."""
    match error:
        case GenerationTimeout():
            return 500
        case UnsupportedMediaType():
            return 400
    return 400 if error.status == InvalidParameters.status else error.status


def document(error: DarkroomError) -> dict[str, Any]:
    """An error as this API tells it."""
    theirs = in_their_words(error)
    status = min(status_of(error), 500)
    detail = {
        "message": theirs.message,
        "type": TYPES.get(status, "invalid_request_error"),
        "param": _param(theirs),
        "code": _code(error),
    }
    return {"error": detail}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer with these statuses besides those of all."""
    every = sorted({*statuses, 401, 403, 429, 500, 503})
    return {status: {"model": Error, "description": DESCRIPTIONS[status]} for status in every}


def _code(error: DarkroomError) -> str:
    if isinstance(error, InvalidParameters):
        kinds = {item["type"] for item in error.errors}
        return "missing_required_parameter" if kinds == {"missing"} else "invalid_value"
    return next((code for kind, code in CODES if isinstance(error, kind)), error.code)


def _param(error: DarkroomError) -> str | None:
    if isinstance(error, ModelNotFound):
        return "model"
    if not isinstance(error, InvalidParameters) or not error.errors:
        return None
    path = ".".join(map(str, error.errors[0]["loc"]))
    # An unknown word may be anything.
    return shortened(path).encode("utf-8", "replace").decode() or None
