"""A limit on the size of request bodies."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.errors import BodyTooLarge
from server.http.problem import refuse


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
        counter = _Counter(self._limit, receive, send)
        try:
            await self._app(scope, counter.receive, counter.send)
        except Exception:
            if not counter.exceeded:
                raise
        if counter.exceeded and not counter.answered:
            await refuse(self._error(), scope, receive, send)

    def _error(self) -> BodyTooLarge:
        return BodyTooLarge(
            f"The body is larger than {self._limit} bytes (setting `max_body_bytes`)."
        )


class _Counter:
    """Counts what the application reads. Frameworks turn errors of reading into answers of their
    own; those are swallowed, so that every oversized body gets the same one."""

    def __init__(self, limit: int, receive: Receive, send: Send) -> None:
        self._left = limit
        self._receive = receive
        self._send = send
        self.answered = False

    @property
    def exceeded(self) -> bool:
        return self._left < 0

    async def receive(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self.exceeded:
            raise BodyTooLarge
        return message

    async def send(self, message: Message) -> None:
        if self.exceeded and not self.answered:
            return
        self.answered = True
        await self._send(message)
