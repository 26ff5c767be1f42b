"""Lets callers in who may use a route."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Protocol, TypeVar

from starlette.requests import HTTPConnection

from server.callers import Caller, Scope
from server.config import Settings
from server.errors import BodyTooLarge, RequestError, Unavailable
from server.http.access import SMALL_BODY, Access
from server.http.auth import address_of, need

#: Seconds for which nobody asks again whether a caller may still read a stream: each time costs a
#: look at the database.
RECHECK = 1.0

Item = TypeVar("Item")


class Identifies(Protocol):
    """Tells who sends a request."""

    async def caller(self, connection: HTTPConnection) -> Caller:
        """Who sends this request.

        Raises:
            KeyMissing, KeyRefused, TooManyFailures
        """

    async def needs_key(self, connection: HTTPConnection) -> bool:
        """Whether this request needs a key."""


class Guard:
    """Asks every request who sends it and whether they may."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._identifies: Identifies

    def begin(self, identifies: Identifies) -> None:
        """Let `identifies` tell who sends requests, from now on; nobody is admitted before."""
        self._identifies = identifies

    async def asks_for_key(self, connection: HTTPConnection) -> bool:
        """Whether this request is admitted with a key only."""
        return await self._identifies.needs_key(connection)

    async def admit(self, connection: HTTPConnection, access: Access) -> Caller:
        """Who sends this request; from here on `caller_of` tells it.

        Raises:
            KeyMissing, KeyRefused, TooManyFailures, ScopeMissing: they may not use the route.
        """
        caller = Caller(f"address:{address_of(connection)}")
        scope = self._asked(access)
        if scope is not None:
            caller = await self._identifies.caller(connection)
            need(caller, scope)
        connection.state.caller = caller
        return caller

    async def while_admitted(
        self, connection: HTTPConnection, scope: Scope, items: AsyncIterator[Item]
    ) -> AsyncIterator[Item]:
        """What is sent over a connection that stays open, until its caller may not have it any
        more: their key was revoked, or the first one was made and they have none. `RECHECK` seconds
        may pass until that is noticed; while nothing is sent, nothing is."""
        checked = time.monotonic()
        async for item in items:
            if time.monotonic() - checked >= RECHECK:
                if not await self._is_still_admitted(connection, scope):
                    return
                checked = time.monotonic()
            yield item

    def body_limit(self, access: Access) -> int:
        """How many bytes the body of a request to such a route may have."""
        most = self._settings.max_body_bytes
        return most if access.takes_images else min(SMALL_BODY, most)

    def too_large(self, access: Access) -> BodyTooLarge:
        """The error of a larger body."""
        setting = " (setting `max_body_bytes`)" if access.takes_images else " here"
        return BodyTooLarge(
            f"The body is larger than {self.body_limit(access)} bytes, the limit{setting}."
        )

    async def _is_still_admitted(self, connection: HTTPConnection, scope: Scope) -> bool:
        try:
            await self.admit(connection, Access(scope))
        except RequestError:
            return False
        except Unavailable:  # nobody can tell now
            return True
        return True

    def _asked(self, access: Access) -> Scope | None:
        if access.is_image and not self._settings.images_need_key:
            return None
        return access.scope


def caller_of(connection: HTTPConnection) -> Caller:
    """Who sends a request that a `Guard` has admitted."""
    caller: Caller = connection.state.caller
    return caller


def was_admitted(connection: HTTPConnection) -> bool:
    """Whether a `Guard` has admitted the request, so that `caller_of` tells who sends it."""
    return hasattr(connection.state, "caller")
