"""Which host a page comes from, and which pages may use the server."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple
from urllib.parse import urlsplit

from server.config import Settings

DEFAULT_PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """What a browser calls the origin of a page."""

    scheme: str
    host: str
    port: int | None


class ForeignPages:
    """Whose pages, besides the server's own, may use it: those of `allowed_origins`, of anybody
    where that has `*`; where it is unset, those of this machine, for what serves them could send
    requests itself."""

    def __init__(self, settings: Settings) -> None:
        allowed = settings.allowed_origins
        self._every = allowed is not None and "*" in allowed
        self._local = allowed is None
        self._origins = {parse_origin(origin) for origin in allowed or ()} - {None}

    def __contains__(self, header: str) -> bool:
        """Whether they are let in, by the Origin header."""
        origin = parse_origin(header)
        is_local = self._local and origin is not None and is_loopback(origin.host)
        return self._every or is_local or origin in self._origins


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


def is_loopback(name: str) -> bool:
    """Whether this host name or IP address is reached from this machine alone."""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
