"""Reads a request's body for the application, and sees to it that what is wrong with the body is
what the client gets to hear."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.errors import DarkroomError
from server.http.faces import refuse


class BodyReader:
    """Receives for the application, as `read` says.

    Frameworks turn errors of reading into answers of their own; those are swallowed, so that the
    same fault always gets the same answer. An answer that has begun stays the only one.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        self.next_message = receive
        self.is_answered = False
        self._send = send
        self._fault: DarkroomError | None = None

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        """Let `app` answer the request, unless its body is at fault."""
        try:
            await app(scope, self._receive, self._send_unless_at_fault)
        except Exception:
            if self._fault is None:
                raise
        if self._fault is not None and not self.is_answered:
            await refuse(self._fault, scope, self.next_message, self._send)

    async def read(self) -> Message:
        """The next message of the request.

        Raises:
            DarkroomError: what is wrong with the body.
        """
        return await self.next_message()

    async def _receive(self) -> Message:
        if self._fault is not None:
            raise self._fault
        try:
            return await self.read()
        except DarkroomError as error:
            self._fault = error
            raise

    async def _send_unless_at_fault(self, message: Message) -> None:
        if self._fault is not None and not self.is_answered:
            return
        self.is_answered = True
        await self._send(message)
