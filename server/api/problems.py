"""Errors that no route has answered, in the words of the API that the request is for: those of the
routes themselves, an unknown path, a wrong method."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from server.errors import DarkroomError, MethodNotAllowed, NotFound
from server.http import problem
from server.http.faces import visit
from server.http.translation import as_ours
from server.wording import shortened

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def install(app: FastAPI) -> None:
    """Make the application answer every error in the words of the API that owns the path."""
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(DarkroomError, _own)
    app.add_exception_handler(Exception, _unexpected)


def render(error: DarkroomError, connection: HTTPConnection) -> Response:
    """An error in the native API's shape."""
    if type(error) is NotFound:
        # Whatever API the client speaks, one of these fields is where it looks for the reason.
        return problem.render(error, message=error.message, error=error.message)
    return problem.render(error)


async def _own(request: Request, error: Exception) -> Response:
    return visit(request).render(as_ours(error), request)


async def _framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path, found = shortened(request.url.path), as_ours(error)
    if error.status_code == NotFound.status:
        found = NotFound(f"There is nothing at {path}. The API is described at /docs.")
    if error.status_code == MethodNotAllowed.status:
        allow = _methods(request)
        text = f"{path} has no method {request.method}, only {', '.join(allow)}."
        found = MethodNotAllowed(text, allow=allow)
    return visit(request).render(found, request)


async def _unexpected(request: Request, error: Exception) -> Response:
    # Starlette raises the error again after this answer, and the server logs it with its traceback.
    found = DarkroomError("The server made a mistake; its log says more.")
    answer = visit(request).render(found, request)
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
