"""Routes that let in whom they are for, and answer every error in their API's shape."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive

from server.errors import DarkroomError
from server.http.access import Access, access_of
from server.http.faces import Render, plain
from server.http.guard import Guard
from server.http.key_schemes import security
from server.http.translation import as_ours

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class GuardedRoute(APIRoute):
    """A route whose function is marked by `server.http.access`; its errors have `render`'s shape.

    Authentication comes before the body is read, so that nobody without a key learns what is wrong
    with a request, or makes the server read it.
    """

    render: Render = staticmethod(plain)

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        """`options` are FastAPI's, which makes the routes.

        Raises:
            TypeError: the function is not marked.
        """
        described = {"security": security(access_of(endpoint))}
        options["openapi_extra"] = {**(options.get("openapi_extra") or {}), **described}
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Handler:
        """What answers a request; called by FastAPI."""
        inner = super().get_route_handler()
        access, render = access_of(self.endpoint), type(self).render

        async def handle(request: Request) -> Response:
            try:
                return await _guarded(request, access, inner)
            except Exception as error:  # noqa: BLE001 - each becomes an answer; unforeseen ones are logged
                return render(as_ours(error), request)

        return handle


def router(render: Render = plain, **options: Any) -> APIRouter:
    """A router of guarded routes whose errors have `render`'s shape; `options` are APIRouter's."""
    route = type("Route", (GuardedRoute,), {"render": staticmethod(render)})
    return APIRouter(route_class=route, **options)


async def _guarded(request: Request, access: Access, inner: Handler) -> Response:
    guard: Guard = request.app.state.guard
    await guard.admit(request, access)
    limit, too_large = guard.body_limit(access), guard.too_large(access)
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise too_large
    limited = Request(request.scope, _limited(request.receive, limit, too_large), request._send)
    return await inner(limited)


def _limited(receive: Receive, limit: int, too_large: DarkroomError) -> Receive:
    """`receive` that raises `too_large` once more than `limit` bytes of a body came in."""
    left = limit

    async def receive_limited() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise too_large
        return message

    return receive_limited
