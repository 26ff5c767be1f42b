"""Errors as `application/problem+json` (RFC 9457): the native API's shape, and the one of
everything that no API owns."""

from __future__ import annotations

import logging
from typing import Any

from starlette.responses import JSONResponse

from server.errors import DarkroomError, InvalidParameters, Unavailable

MEDIA_TYPE = "application/problem+json"

#: `type` of a problem is this and its code: a page that explains the codes.
CATALOGUE = "/docs/errors"

logger = logging.getLogger(__name__)


class ProblemResponse(JSONResponse):
    """An error as an answer, its headers included."""

    media_type = MEDIA_TYPE

    def __init__(self, error: DarkroomError, /, **extra: Any) -> None:
        content = {**document(error), **extra}
        super().__init__(content, status_code=error.status, headers=error.headers)


def document(error: DarkroomError) -> dict[str, Any]:
    """`{type, title, status, detail, code}`, and `errors` when parameters were refused."""
    problem: dict[str, Any] = {
        "type": f"{CATALOGUE}#{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.message,
        "code": error.code,
    }
    if isinstance(error, InvalidParameters):
        problem["errors"] = error.errors
    return problem


def render(error: DarkroomError, /, **extra: Any) -> ProblemResponse:
    """The answer to a request that met `error`; what the server is to blame for is logged."""
    if error.status >= 500 and not isinstance(error, Unavailable):
        logger.error("a request failed: %s", error, exc_info=error)
    return ProblemResponse(error, **extra)
