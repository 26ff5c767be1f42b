"""Errors of the frameworks as ours, so that every API renders one kind."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from server.errors import (
    BodyTooLarge,
    DarkroomError,
    InvalidParameters,
    MalformedRequest,
    NotFound,
    RequestError,
    UnsupportedMediaType,
)

logger = logging.getLogger(__name__)

#: The errors frameworks raise by status.
BY_STATUS: dict[int, type[DarkroomError]] = {
    error.status: error
    for error in (MalformedRequest, BodyTooLarge, UnsupportedMediaType, NotFound)
}


def as_ours(error: Exception) -> DarkroomError:
    """What went wrong, as one of our errors. What nobody foresaw is logged."""
    match error:
        case DarkroomError():
            return error
        case RequestValidationError() | ValidationError():
            return _invalid(error.errors())
        case HTTPException():
            return _by_status(error)
        case ClientDisconnect():
            return MalformedRequest("The connection ended before the body did.")
    logger.error("a request failed in an unforeseen way", exc_info=error)
    return DarkroomError("The server made a mistake; its log says more.")


def _by_status(error: HTTPException) -> DarkroomError:
    if isinstance(error.__cause__, DarkroomError):
        return error.__cause__  # what stopped the reading of a body, wrapped by FastAPI
    kind = RequestError if error.status_code < 500 else DarkroomError
    return BY_STATUS.get(error.status_code, kind)(str(error.detail))


def _invalid(problems: Sequence[Any]) -> DarkroomError:
    for item in problems:
        if item["type"] == "json_invalid":
            reason = item.get("ctx", {}).get("error", item["msg"])
            return MalformedRequest(f"The body is not valid JSON: {reason}.")
    return InvalidParameters(
        [{"loc": list(item["loc"]), "msg": item["msg"], "type": item["type"]} for item in problems]
    )
