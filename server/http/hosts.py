"""Who may talk to a server that asks for no key: requests addressed to this machine, from pages
of its own.

A web page can make its visitor's browser send requests to any address (cross-site requests) and
can point its own name at 127.0.0.1 (DNS rebinding). The Host header unmasks the second, the
Origin header the first.
"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from server.config import Settings
from server.errors import DarkroomError, ForeignHost, ForeignOrigin
from server.http.problem import refuse

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
NAME_AND_PORT = re.compile(r"[\w.:\-\[\]%]+", re.ASCII)
DEFAULT_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """What a browser calls the origin of a page."""

    scheme: str
    host: str
    port: int | None


class HostGuard:
    """Refuses requests addressed to foreign hosts, and changes asked for by foreign pages.

    Unless origins are configured, pages of this machine may change things: what serves them could
    send requests itself. With `insecure` every host passes, for the server may be reached under
    any name then; a page of another origin still changes nothing.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._any_host = settings.insecure
        base = parse_origin(settings.base_url) if settings.base_url else None
        names = [*settings.allowed_hosts, settings.host]
        self._hosts = {_hostname(name) for name in names} | ({base.host} if base else set())
        self._any_local_page = settings.allowed_origins is None
        allowed = [parse_origin(origin) for origin in settings.allowed_origins or ()]
        self._origins = {origin for origin in (base, *allowed) if origin is not None}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            error = self._objection(scope, Headers(scope=scope))
            if error is not None:
                await refuse(error, scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _objection(self, scope: Scope, headers: Headers) -> DarkroomError | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_ours(hosts[0]):
            return ForeignHost(
                f"The request is addressed to {', '.join(hosts) or 'no host'!r}, which is not this "
                "server. Use its loopback address or add the name to `allowed_hosts`."
            )
        origin = headers.get("origin")
        # A WebSocket handshake is a GET that no browser holds back for a foreign page.
        is_safe = scope["type"] == "http" and scope["method"] in SAFE_METHODS
        if origin is None or is_safe or self._may_change(origin, scope["scheme"], hosts[0]):
            return None
        return ForeignOrigin(
            f"A page of {origin!r} may not change anything here. "
            "Add it to `allowed_origins` if it should."
        )

    def _is_ours(self, header: str) -> bool:
        name = _hostname(header)
        return name != "" and (self._any_host or name in self._hosts or is_loopback(name))

    def _may_change(self, header: str, scheme: str, host: str) -> bool:
        origin = parse_origin(header)
        scheme = {"ws": "http", "wss": "https"}.get(scheme, scheme)
        own = parse_origin(f"{scheme}://{host}")
        if origin is None:
            return False
        is_local = self._any_local_page and is_loopback(origin.host)
        return is_local or origin == own or origin in self._origins


def parse_origin(url: str) -> Origin | None:
    """The origin of a URL; None for `null` and for what is no URL."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return None
    if not parts.scheme or not parts.hostname:
        return None
    return Origin(parts.scheme, parts.hostname.removesuffix("."), port)


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


def is_loopback(name: str) -> bool:
    """Whether this host name or IP address is reached from this machine alone."""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
