"""Errors of the native API, and of every path that no API owns, as problem+json."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from server.errors import (
    BodyTooLarge,
    DarkroomError,
    InvalidParameters,
    MalformedRequest,
    MethodNotAllowed,
    NotFound,
    RequestError,
    UnsupportedMediaType,
)
from server.http.problem import ProblemResponse, render

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

#: The errors frameworks raise by status, as ours.
BY_STATUS: dict[int, type[DarkroomError]] = {
    error.status: error for error in (MalformedRequest, BodyTooLarge, UnsupportedMediaType)
}


def install(app: FastAPI) -> None:
    """Make the application answer every error as a problem."""
    app.add_exception_handler(DarkroomError, _own)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _unexpected)


async def _own(request: Request, error: Exception) -> Response:
    assert isinstance(error, DarkroomError)
    return render(error)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problems = [
        {"loc": list(item["loc"]), "msg": item["msg"], "type": item["type"]}
        for item in error.errors()
    ]
    return render(InvalidParameters(problems))


async def _framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path
    if error.status_code == NotFound.status:
        # Whatever API the client speaks, one of these fields is where it looks for the reason.
        text = f"There is nothing at {path}. The API is described at /docs."
        return render(NotFound(text), message=text, error=text)
    if error.status_code == MethodNotAllowed.status:
        allow = _methods(request)
        text = f"{path} has no method {request.method}, only {', '.join(allow)}."
        return render(MethodNotAllowed(text, allow=allow))
    fallback = RequestError if error.status_code < 500 else DarkroomError
    return render(BY_STATUS.get(error.status_code, fallback)(str(error.detail)))


async def _gone(request: Request, error: Exception) -> Response:
    return render(MalformedRequest("The connection ended before the body did."))


async def _unexpected(request: Request, error: Exception) -> Response:
    # Starlette raises the error again after this answer, and the server logs it with its traceback.
    answer = ProblemResponse(DarkroomError("The server made a mistake; its log says more."))
    # uvicorn drops the connection then; a client that is not told sends its next request into it.
    answer.headers["Connection"] = "close"
    return answer


def _methods(request: Request) -> list[str]:
    """The methods that the request's path has. Starlette names those of one route only."""
    routes = request.app.router.routes

    def is_served(method: str) -> bool:
        scope: Scope = {**request.scope, "method": method}
        return any(route.matches(scope)[0] is Match.FULL for route in routes)

    return [method for method in METHODS if is_served(method)]
