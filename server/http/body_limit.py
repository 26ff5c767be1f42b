"""A limit on the size of request bodies."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.errors import BodyTooLarge
from server.http.body_reader import BodyReader
from server.http.faces import refuse


class BodyLimit:
    """Answers 413 to bodies of more than `limit` bytes: at once when the length is declared,
    else as soon as more than that came in."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > self._limit:
            await refuse(self._error(), scope, receive, send)
            return
        await _Counter(self._limit, self._error(), receive, send).run(self._app, scope)

    def _error(self) -> BodyTooLarge:
        return BodyTooLarge(
            f"The body is larger than {self._limit} bytes (setting `max_body_bytes`)."
        )


class _Counter(BodyReader):
    """Counts what the application reads."""

    def __init__(self, limit: int, error: BodyTooLarge, receive: Receive, send: Send) -> None:
        super().__init__(receive, send)
        self._left = limit
        self._error = error

    async def read(self) -> Message:
        message = await self.next_message()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise self._error
        return message
