"""A limit on how long a request's body may pause."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.http.body_reader import BodyReader
from server.http.timeout_errors import RequestTimeout


class BodyTimeout:
    """Answers 408 when nothing of an unfinished body comes in for `seconds`. How long the answer
    takes is nobody's business here."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        await _Clock(self._seconds, receive, send).run(self._app, scope)


class _Clock(BodyReader):
    def __init__(self, seconds: float, receive: Receive, send: Send) -> None:
        super().__init__(receive, send)
        self._seconds = seconds
        self._is_whole = False

    async def read(self) -> Message:
        if self._waits_for_it():
            try:
                async with asyncio.timeout(self._seconds):
                    return self._noted(await self.next_message())
            except TimeoutError:
                if self._waits_for_it():  # the answer may have begun meanwhile
                    raise RequestTimeout(
                        f"Nothing of the body came in for {self._seconds:g} seconds (setting "
                        "`body_timeout`)."
                    ) from None
        return self._noted(await self.next_message())

    def _waits_for_it(self) -> bool:
        """Whether the answer waits for the body. What comes after it is the end of the connection,
        and that may take as long as it likes."""
        return not (self._is_whole or self.is_answered)

    def _noted(self, message: Message) -> Message:
        self._is_whole = not message.get("more_body", False)
        return message
