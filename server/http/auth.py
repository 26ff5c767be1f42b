"""Who sends a request: the key it comes with, and what that key may be used for."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
from collections.abc import Iterator

from starlette.requests import HTTPConnection

from server.callers import Caller, Scope
from server.config import Settings
from server.errors import Unavailable
from server.http.failures import Failures
from server.http.origins import is_loopback
from server.http.session_cookie import SessionCookies, cookie_of
from server.key_errors import KeyMissing, KeyRefused, ScopeMissing
from server.keys.record import Key
from server.keys.store import KeyStore
from server.keys.token import HEADERS, PARAMETER, Token
from server.memory import Memory

#: Requests whose keys wait to be hashed, one at a time; further ones are refused.
MOST_WAITING = 64

WAYS = (
    "as the header `x-key`, `X-API-Key` or `Authorization: Bearer …`, as the password of "
    "`Authorization: Basic …`, or, for GET and WebSocket, as the parameter `key` of the URL"
)


def presented(connection: HTTPConnection) -> str | None:
    """The key that a request comes with, in a header or its URL; None when there is none.

    Of several the first one that has a key's form counts, else the first: what a program or a
    proxy sends without being asked does not hide the real one.
    """
    found = list(_candidates(connection))
    return next(filter(Token.read, found), found[0] if found else None)


def _candidates(connection: HTTPConnection) -> Iterator[str]:
    given = [value for name in HEADERS for value in connection.headers.getlist(name)]
    given += map(_authorized, connection.headers.getlist("authorization"))
    if connection.scope["type"] == "websocket" or connection.scope["method"] in ("GET", "HEAD"):
        given += connection.query_params.getlist(PARAMETER)
    yield from filter(None, map(str.strip, given))


def _authorized(header: str) -> str:
    """The key in an `Authorization` header; "" when it holds none, like an empty one."""
    scheme, _, value = header.strip().partition(" ")
    match scheme.lower():
        case "bearer":
            return value
        case "basic":
            return _password(value)
    return ""


def _password(credentials: str) -> str:
    try:
        decoded = base64.b64decode(credentials.strip(), validate=True).decode()
    except ValueError:  # neither base64 nor text: it is something, and not a key
        return credentials
    return decoded.partition(":")[2]


def address_of(connection: HTTPConnection) -> str:
    """The client's IP address; an IPv4 address that comes in IPv6's clothes without them."""
    text = connection.client.host if connection.client else "unknown"
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    return str(getattr(address, "ipv4_mapped", None) or address)


def need(caller: Caller, scope: Scope) -> None:
    """Refuse a caller who may not do this.

    Raises:
        ScopeMissing: the caller's key lacks the scope.
    """
    if scope not in caller.scopes:
        raise ScopeMissing(
            f"This key may not be used for that: it lacks the scope `{scope}`. Send one that has "
            f"it; `darkroom keys add NAME --scope {scope}` makes one."
        )


class Authenticator:
    """Tells who sends a request.

    As long as there are no keys everybody may do everything, provided that only this machine
    reaches the server or the settings say that it is meant; keys that are sent are ignored then.
    """

    def __init__(self, settings: Settings, keys: KeyStore, memory: Memory) -> None:
        hosts = [settings.host, *(entry.host or settings.host for entry in settings.listen)]
        self._open_to_all = settings.insecure or all(map(is_loopback, hosts))
        self._keys = keys
        self.sessions = SessionCookies(memory)
        self._failures = Failures()
        self._hashing = asyncio.Lock()
        self._waiting = 0

    async def caller(self, connection: HTTPConnection) -> Caller:
        """Who sends this request.

        Raises:
            KeyMissing: it has no key, and needs one.
            KeyRefused: its key is wrong or revoked.
            TooManyFailures: too many wrong ones came from its address.
            Unavailable: too many keys are being examined now, or the database cannot be read.
        """
        key = await self.key(connection)
        return Caller(f"address:{address_of(connection)}") if key is None else key.caller

    async def key(self, connection: HTTPConnection) -> Key | None:
        """The key that a request comes with; None where it needs none.

        Raises:
            KeyMissing, KeyRefused, TooManyFailures, Unavailable: see `caller`.
        """
        if not await self.needs_key(connection):
            return None
        text, cookie = presented(connection), cookie_of(connection)
        if cookie is not None and (text is None or Token.read(text) is None):
            by_session = await asyncio.to_thread(self._by_session, cookie)
            if by_session is not None:
                return by_session
        if text is None:
            raise KeyMissing(f"This server asks for a key: send it {WAYS}.")
        return await self.examine(text, connection)

    async def needs_key(self, connection: HTTPConnection) -> bool:
        """Whether this request needs a key.

        Where the keys were reset while the server ran on an address that others reach, only this
        machine gets in without one: it would not have started like that.
        """
        if await asyncio.to_thread(self._keys.configured):
            return True
        return not (self._open_to_all or is_loopback(address_of(connection)))

    async def examine(self, text: str, connection: HTTPConnection) -> Key:
        """The key in use that `text` is. A wrong one counts against the address of `connection`.

        Raises:
            KeyRefused, TooManyFailures, Unavailable: see `caller`.
        """
        recalled = await asyncio.to_thread(self._keys.recall, text)
        if recalled.key is not None:
            return recalled.key
        address = address_of(connection)
        self._failures.check(address)
        key = None if recalled.decided else await self._hashed(text, address)
        if key is None:
            self._failures.add(address)
            raise KeyRefused(
                "The key is none of this server's, or was revoked. `darkroom keys list` shows "
                "which there are, `darkroom keys add NAME` makes another."
            )
        return key

    async def _hashed(self, text: str, address: str) -> Key | None:
        """The key that `text` is, told by the slow hash: one at a time, however many ask.

        Raises:
            TooManyFailures, Unavailable
        """
        if self._waiting >= MOST_WAITING:
            raise Unavailable("Too many keys are being examined now. Try again.", retry_after=1)
        self._waiting += 1
        try:
            async with self._hashing:
                self._failures.check(address)  # those before may have been its own
                return await asyncio.to_thread(self._keys.find, text)
        finally:
            self._waiting -= 1

    def _by_session(self, cookie: str) -> Key | None:
        key_id = self.sessions.key_id(cookie)
        return None if key_id is None else self._keys.get(key_id)
