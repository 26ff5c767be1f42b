"""Errors in this API's shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse

from server.dialects.cyberimage.protocol import Error
from server.errors import DarkroomError, InvalidParameters, MalformedRequest, Unavailable
from server.limit_errors import TooManyRequests

#: What our API answers with 422 is a bad request here.
_STATUS: Mapping[int, int] = {InvalidParameters.status: MalformedRequest.status}


def render(error: DarkroomError, connection: HTTPConnection) -> JSONResponse:
    """The answer to a request that met `error`; what the server is to blame for is no
    client's business, and stands in the log."""
    message = error.message
    if error.status >= 500 and not isinstance(error, Unavailable):
        message = DarkroomError.title
    content: dict[str, Any] = {"status": "error", "message": message}
    if isinstance(error, TooManyRequests):
        content["wait_time"] = error.retry_after
    return JSONResponse(content, status_of(error), headers=error.headers)


def status_of(error: DarkroomError | type[DarkroomError]) -> int:
    """The HTTP status of an error."""
    return _STATUS.get(error.status, error.status)


def refusals(*errors: type[DarkroomError]) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer with these errors."""
    found: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        entry = found.setdefault(status_of(error), {"model": Error, "description": ""})
        entry["description"] = f"{entry['description']} {error.title}.".strip()
    return found
