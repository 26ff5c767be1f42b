"""What browsers must be told so that they let pages of other origins use the server."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from server.config import Settings
from server.errors import ForeignOrigin
from server.http.faces import refuse
from server.http.origins import ForeignPages

#: Headers of answers that scripts may read, besides those that they always may.
EXPOSED = (
    *("Accept-Ranges", "Allow", "Content-Disposition", "Content-Length", "Content-Range"),
    *("ETag", "Location", "Retry-After", "WWW-Authenticate"),
    *("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"),
)

#: Seconds that browsers may remember the answer to a preflight.
MAX_AGE = 600


def add(app: Starlette, settings: Settings) -> None:
    """Let pages of other origins use `app`, those that the settings allow."""
    app.add_middleware(Cors, pages=ForeignPages(settings))


class Cors(CORSMiddleware):
    """Adds the cross-origin headers, and answers preflights itself: they have no key, and no route.

    An allowed page may send any header, for clients have their own (`x-key`, `x-stainless-…`).
    Cookies are not let through: sessions are for the server's own pages. A page of the internet
    that is allowed may reach the server in a private network, which some browsers ask for too.
    """

    def __init__(self, app: ASGIApp, pages: ForeignPages) -> None:
        super().__init__(
            app,
            allow_methods=["*"],
            allow_headers=["*"],
            allow_private_network=True,
            expose_headers=EXPOSED,
            max_age=MAX_AGE,
        )
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = _asking_page(scope)
        if origin is None or self.is_allowed_origin(origin):
            await super().__call__(scope, receive, send)
            return
        error = ForeignOrigin(
            f"A page of {origin!r} may not use this server. "
            "Add it to `allowed_origins` if it should."
        )
        await refuse(error, scope, receive, send)

    def is_allowed_origin(self, origin: str) -> bool:
        """Whether pages of this origin may use the server."""
        return origin in self._pages


def _asking_page(scope: Scope) -> str | None:
    """The origin of the page for which a browser asks whether a request may be sent; None where
    the request is no such question."""
    if scope["type"] != "http" or scope["method"] != "OPTIONS":
        return None
    headers = Headers(scope=scope)
    return headers.get("origin") if "access-control-request-method" in headers else None
