"""Who may talk to a server that asks for no key: requests addressed to this machine, from pages
of its own.

A web page can make its visitor's browser send requests to any address (cross-site requests) and
can point its own name at 127.0.0.1 (DNS rebinding). The Host header unmasks the second, the
Origin header the first. Where the server asks for a key neither helps that page, for it has none;
unless the browser adds the cookie of a session by itself, as it does for other ports of one host.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from server.config import Settings
from server.errors import DarkroomError, ForeignHost, ForeignOrigin
from server.http.faces import refuse
from server.http.origins import ForeignPages, is_loopback, parse_origin
from server.http.session_cookie import cookie_of

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
NAME_AND_PORT = re.compile(r"[\w.:\-\[\]%]+", re.ASCII)


#: Tells whether a request needs a key.
AsksForKey = Callable[[HTTPConnection], Awaitable[bool]]


async def never(connection: HTTPConnection) -> bool:
    """No request needs a key."""
    return False


class HostGuard:
    """Refuses requests addressed to foreign hosts, and changes asked for by foreign pages.

    With `insecure` every host passes, for the server may be reached under any name then; a page of
    another origin still changes nothing, unless it is one of `ForeignPages`.
    """

    def __init__(self, app: ASGIApp, settings: Settings, asks_for_key: AsksForKey = never) -> None:
        """
        Args:
            app: what comes next.
            settings: the hosts and origins.
            asks_for_key: asked about requests that would be refused.
        """
        self._app = app
        self._asks_for_key = asks_for_key
        self._any_host = settings.insecure
        base = parse_origin(settings.base_url) if settings.base_url else None
        listened = [entry.host for entry in settings.listen if entry.host is not None]
        names = [*settings.allowed_hosts, settings.host, *listened]
        self._hosts = {_hostname(name) for name in names} | ({base.host} if base else set())
        self._base = base
        self._pages = ForeignPages(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            error = await self._objection(scope)
            if error is not None:
                await refuse(error, scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _objection(self, scope: Scope) -> DarkroomError | None:
        connection = HTTPConnection(scope)
        by_host = self._foreign_host(connection.headers)
        by_origin = self._foreign_origin(scope, connection.headers)
        if (by_host or by_origin) and await self._asks_for_key(connection):
            return by_origin if cookie_of(connection) else None
        return by_host or by_origin

    def _foreign_host(self, headers: Headers) -> ForeignHost | None:
        hosts = headers.getlist("host")
        if len(hosts) == 1 and self._is_ours(hosts[0]):
            return None
        return ForeignHost(
            f"The request is addressed to {', '.join(hosts) or 'no host'!r}, which is not this "
            "server. Use its loopback address or add the name to `allowed_hosts`."
        )

    def _foreign_origin(self, scope: Scope, headers: Headers) -> ForeignOrigin | None:
        origin = headers.get("origin")
        # A WebSocket handshake is a GET that no browser holds back for a foreign page.
        is_safe = scope["type"] == "http" and scope["method"] in SAFE_METHODS
        host = headers.get("host", "")
        if origin is None or is_safe or self._may_change(origin, scope["scheme"], host):
            return None
        return ForeignOrigin(
            f"A page of {origin!r} may not change anything here. "
            "Add it to `allowed_origins` if it should."
        )

    def _is_ours(self, header: str) -> bool:
        name = _hostname(header)
        return name != "" and (self._any_host or name in self._hosts or is_loopback(name))

    def _may_change(self, header: str, scheme: str, host: str) -> bool:
        scheme = {"ws": "http", "wss": "https"}.get(scheme, scheme)
        origin = parse_origin(header)
        is_own = origin is not None and origin in (parse_origin(f"{scheme}://{host}"), self._base)
        return is_own or header in self._pages


def _hostname(header: str) -> str:
    """The name in a Host header, in lower case without port; empty when it is malformed."""
    bare = header.strip()
    if not NAME_AND_PORT.fullmatch(bare):
        return ""
    # An IPv6 address of the settings (`::1`) has no brackets yet.
    if bare.count(":") > 1 and not bare.startswith("["):
        bare = f"[{bare}]"
    origin = parse_origin(f"http://{bare}")
    return origin.host if origin else ""
