"""Errors in AUTOMATIC1111's shape, of which clients read `detail`."""

from __future__ import annotations

import inspect
from typing import Any

from pydantic import BaseModel, Field
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response

from server.dialects.automatic1111.translate import problems
from server.errors import (
    BodyTooLarge,
    DarkroomError,
    InvalidParameters,
    MalformedRequest,
    ModelNotFound,
    QueueFull,
    RequestError,
    ShuttingDown,
    Unavailable,
)
from server.http.wait_errors import GenerationTimeout
from server.key_errors import KeyMissing, KeyRefused, ScopeMissing, TooManyFailures
from server.limit_errors import QuotaExceeded, RateLimited
from server.wording import summary

#: Kinds of errors.
Errors = tuple[type[DarkroomError], ...]

#: What any route may be refused with.
ANYWHERE: Errors = (
    KeyMissing,
    KeyRefused,
    ScopeMissing,
    TooManyFailures,
    Unavailable,
    DarkroomError,
)

#: What routes that read a body may be refused with besides.
WITH_BODY: Errors = (MalformedRequest, BodyTooLarge, InvalidParameters)

#: What routes that make images may be refused with besides.
GENERATING: Errors = (
    *WITH_BODY,
    RequestError,
    ModelNotFound,
    RateLimited,
    QuotaExceeded,
    QueueFull,
    ShuttingDown,
    GenerationTimeout,
)

_EXAMPLE = InvalidParameters(
    [{"loc": ["body", "seed"], "msg": "Input should be a valid integer", "type": "int_parsing"}]
)


class Problem(BaseModel):
    """One thing that is wrong with a request."""

    loc: list[str | int] = Field(description="Where, from `body` or `query` on.")
    msg: str = Field(description="What, in words.")
    type: str = Field(description="What, for machines.")


class Refusal(BaseModel):
    """An error."""

    error: str = Field(description="The machine's word for it; `/docs/errors` explains each.")
    detail: str | list[Problem] = Field(
        description="What happened and what to do about it; a list of what is wrong "
        "with the request where it cannot be understood (422)."
    )
    body: str = Field(description="Always empty.")
    errors: str = Field(description="What happened, in one text.")


def render(error: DarkroomError, connection: HTTPConnection) -> Response:
    """An error as an answer."""
    headers = dict(error.headers)
    if "WWW-Authenticate" in headers:
        headers["WWW-Authenticate"] = 'Basic realm="darkroom", charset="UTF-8"'
    return JSONResponse(document(error), error.status, headers=headers)


def document(error: DarkroomError) -> dict[str, Any]:
    """An error as a `Refusal`."""
    text, detail = error.message, error.message
    if isinstance(error, InvalidParameters):
        found = problems(error)
        return {"error": error.code, "detail": found, "body": "", "errors": summary(found)}
    return {"error": error.code, "detail": detail, "body": "", "errors": text}


def refusals(*errors: type[DarkroomError]) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer with these errors, and those of any route."""
    found: dict[int | str, dict[str, Any]] = {}
    for kind in dict.fromkeys((*errors, *ANYWHERE)):
        entry = found.setdefault(kind.status, _empty())
        sentence = f"`{kind.code}`: {inspect.getdoc(kind)}".partition("\n")[0]
        entry["description"] = " ".join([entry["description"], sentence]).strip()
        example = _EXAMPLE if kind is InvalidParameters else kind()
        entry["content"]["application/json"]["examples"][kind.code] = {"value": document(example)}
    return found


def answering(example: Any) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that always answers this, or refuses like any route; None is
    answered where clients want nothing."""
    content = {"example": example} if example is not None else {"schema": {"type": "null"}}
    answer = {"description": "Done.", "content": {"application/json": content}}
    return {200: answer, **refusals()}


def _empty() -> dict[str, Any]:
    return {"description": "", "model": Refusal, "content": {"application/json": {"examples": {}}}}
