"""Errors in the Krea generator's shape: `{success: false, error, duration}`."""

from __future__ import annotations

import time
from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response

from server.dialects.krea import translate
from server.dialects.krea.protocol import Failure
from server.errors import DarkroomError
from server.http.faces import Render, visit
from server.http.host import DialectHost

MEANINGS = {
    400: "Bad request: invalid parameters, or a body that is no JSON.",
    401: "Unauthorized: the key is missing or not valid.",
    403: "Forbidden: the key is not for this, or the request comes from a foreign page.",
    408: "The body stopped coming.",
    413: "Content too large.",
    415: "Unsupported media type: the body is declared as something other than JSON.",
    422: "Validation error: a required field is missing, or a value is of another type.",
    429: "Rate limited: too many requests. `Retry-After` says how many seconds to wait.",
    500: "Server error: the generation failed or was cancelled.",
    503: "Service unavailable: the queue or the device's memory is full.",
    504: "The image took longer than the server lets a request wait.",
}

#: Statuses that any route may be refused with.
ANYWHERE = (401, 403, 429, 500, 503)

#: Statuses that requests for images may be refused with besides.
GENERATING = (400, 408, 413, 415, 422, 504)


def renderer(host: DialectHost) -> Render:
    """What turns an error into an answer. Whoever was admitted is told how many images they may
    still ask for."""

    def render(error: DarkroomError, connection: HTTPConnection) -> Response:
        status = translate.status_of(error)
        told = Failure(success=False, error=error.message, duration=since(connection))
        headers = {**host.rate_limit_headers(connection), **error.headers}
        return JSONResponse(told.model_dump(), status, headers=headers)

    return render


def since(connection: HTTPConnection) -> float:
    """Seconds since a request began."""
    return round(time.monotonic() - visit(connection).began, 3)


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may be refused with these statuses."""
    return {status: {"model": Failure, "description": MEANINGS[status]} for status in statuses}
