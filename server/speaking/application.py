"""Dialects on ports of their own, and which application a request is for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from fastapi import FastAPI
from starlette.datastructures import State
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from server import __version__, web
from server.api import problems
from server.http.faces import Face, port_of
from server.plugins.types import Dialect
from server.speaking.openapi import document

OPENAPI_URL = "/openapi.json"


def own_application(dialect: Dialect, own: Face, state: State) -> FastAPI:
    """The application of a dialect at the root of its own port, with its documentation.

    Args:
        dialect: whose it is.
        own: its addresses there.
        state: the main application's, which this one shares.
    """
    title = f"Darkroom: {dialect.title}"
    app = FastAPI(title=title, version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
    app.state = state
    problems.install(app)
    app.include_router(own.router)
    app.include_router(web.documentation(title, OPENAPI_URL))
    # Built when somebody asks: that takes a tenth of a second, and most never do.
    described = cache(lambda: document(dialect, [own]))

    async def openapi() -> JSONResponse:
        return JSONResponse(described())

    app.add_api_route(OPENAPI_URL, openapi, include_in_schema=False)
    return app


class PortSwitch:
    """Hands requests that came in on a dialect's port to its application."""

    def __init__(self, app: ASGIApp, by_port: Mapping[int, ASGIApp]) -> None:
        self._app = app
        self._by_port = by_port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] in ("http", "websocket"):
            app = self._by_port.get(port_of(scope), app)
        await app(scope, receive, send)
