"""Headers that tell browsers what answers of this server may not do."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ALWAYS = [
    "default-src 'self'",
    "img-src 'self' data: blob:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
]

#: Scripts and styles come from the server's own files only, never from the page itself.
OWN_FILES_ONLY = "; ".join(_ALWAYS)

#: Scripts likewise. Inline styles and the search's worker (a blob) are what the documentation
#: pages need.
CONTENT_SECURITY_POLICY = "; ".join(
    [*_ALWAYS, "style-src 'self' 'unsafe-inline'", "worker-src 'self' blob:"]
)


class SecurityHeaders:
    """Adds `nosniff` and a referrer policy to every answer, and to pages what they may load."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add(MutableHeaders(scope=message))
            await send(message)

        await self._app(scope, receive, send_guarded)


def _add(headers: MutableHeaders) -> None:
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "same-origin")
    if headers.get("content-type", "").startswith("text/html"):
        headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
