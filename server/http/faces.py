"""The faces of the server: which API a request is for, and in whose words it is refused."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from server.errors import DarkroomError
from server.http import problem

#: An error as the answer to a request.
Render = Callable[[DarkroomError, HTTPConnection], Response]

_KEY = "darkroom.visit"


@dataclass(frozen=True, slots=True)
class Face:
    """One set of addresses at which an API answers.

    Attributes:
        router: its routes, with whole paths; made by `DialectHost.router`.
        render: an error in its shape.
        prefixes: the beginnings of paths that are its own, also where it has no route; none for a
            face on a port of its own, where every path is.
    """

    router: APIRouter
    render: Render
    prefixes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Faces:
    """All addresses of a dialect.

    Attributes:
        main: on the server's main port.
        own: makes the one at the root of a port of its own; called once, where somebody listens.
        lifespan: what it does beside answering, entered when the server has started and left before
            it stops.
    """

    main: tuple[Face, ...]
    own: Callable[[], Face]
    lifespan: Callable[[], AbstractAsyncContextManager[None]] | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """What is known of a request before any route sees it.

    `dialect` is the one whose port it came in on, None on the main port; `began` is a moment of
    `time.monotonic`.
    """

    render: Render
    dialect: str | None
    began: float


class Reception:
    """Notes of every request whose it is, by the port it came in on and its path."""

    def __init__(
        self,
        app: ASGIApp,
        native: Render,
        main: Iterable[Face],
        own: Mapping[int, tuple[str, Render]],
    ) -> None:
        """
        Args:
            app: what comes next.
            native: renders errors of paths that no dialect owns.
            main: the dialects' on the main port.
            own: the names and the errors' shapes of those that have ports of their own, by port.
        """
        self._app = app
        self._native = native
        self._own = own
        owners = {prefix: face.render for face in main for prefix in face.prefixes}
        # The longest first: of two dialects, the one with the longer beginning is meant.
        self._owners = sorted(owners.items(), key=lambda item: -len(item[0]))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            dialect, render = self._own.get(port_of(scope)) or (None, self._owner(scope["path"]))
            scope[_KEY] = Visit(render, dialect, time.monotonic())
        await self._app(scope, receive, send)

    def _owner(self, path: str) -> Render:
        for prefix, render in self._owners:
            if path == prefix or path.startswith(f"{prefix}/"):
                return render
        return self._native


def port_of(scope: Scope) -> int:
    """The port that a request came in on; 0 when that is not known."""
    server = scope.get("server")
    return int(server[1]) if server and server[1] is not None else 0


def visit(connection: HTTPConnection) -> Visit:
    """What is known of this request."""
    found = connection.scope.get(_KEY)
    return found if isinstance(found, Visit) else Visit(plain, None, time.monotonic())


def plain(error: DarkroomError, connection: HTTPConnection) -> Response:
    """An error in the native API's shape."""
    return problem.render(error)


async def refuse(error: DarkroomError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request that goes no further, in the words of the API it is for; a WebSocket
    handshake is refused by the same answer where the server can send one, else with 403."""
    connection = HTTPConnection(scope)
    answers = "websocket.http.response" in scope.get("extensions", {})
    if scope["type"] == "websocket" and not answers:
        await send({"type": "websocket.close", "code": 1008, "reason": error.title})
        return
    # A response knows by itself how to answer a handshake.
    await visit(connection).render(error, connection)(scope, receive, send)
