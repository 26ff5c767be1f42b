"""Errors in this API's shape."""

from __future__ import annotations

from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response

from server.errors import DarkroomError, InvalidParameters
from server.key_errors import KeyNeeded

#: What a missing or wrong key is answered with.
FORBIDDEN = 403


def render(error: DarkroomError, connection: HTTPConnection) -> Response:
    """`{detail, message}`: of refused parameters `detail` is a list, else it is the message."""
    status = FORBIDDEN if isinstance(error, KeyNeeded) else error.status
    return JSONResponse(document(error), status, headers=error.headers)


def document(error: DarkroomError) -> dict[str, object]:
    """What is answered instead of what was asked for."""
    if not isinstance(error, InvalidParameters):
        return {"detail": error.message, "message": error.message}
    bare = [{**item, "loc": item["loc"][1:] or item["loc"]} for item in error.errors]
    return {"detail": error.errors, "message": InvalidParameters(bare).message}
