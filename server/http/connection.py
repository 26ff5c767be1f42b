"""One client's connection, HTTP/1.1 spoken over it, and how long it may take to ask."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from server.errors import DarkroomError, MalformedRequest
from server.http.problem import render
from server.http.timeout_errors import RequestTimeout

#: Bytes that the headers of a request may have.
MAX_HEAD = 64 * 1024


class Exchange(h11.Connection):
    """HTTP/1.1, without requests whose length is told in two ways: a proxy in front may believe the
    other one, and then takes part of a body for the next request, or the next request for part of a
    body."""

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """What came in.

        Raises:
            h11.RemoteProtocolError: it is no request that is understood in one way only.
        """
        event = super().next_event()
        if isinstance(event, h11.Request):
            names = {name for name, _ in event.headers}
            if names >= {b"content-length", b"transfer-encoding"}:
                raise h11.RemoteProtocolError("both Content-Length and Transfer-Encoding")
        return event


class Connection(H11Protocol):
    """Closes when the headers of a request are not complete `header_timeout` seconds after their
    first byte, or after the connection was made. A connection that idles between two requests is
    uvicorn's to close."""

    header_timeout: ClassVar[float]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.conn = Exchange(h11.SERVER, MAX_HEAD)
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._mind()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._mind()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP; uvicorn's own answer would be plain text."""
        self._end_with(MalformedRequest("What came in is not HTTP, or its headers are too long."))

    def _mind(self) -> None:
        if self.transport.is_closing() or not self._owes_us():
            self._stop()
        elif self._timer is None:
            self._timer = self.loop.call_later(self.header_timeout, self._expire)

    def _owes_us(self) -> bool:
        """Whether the client has to send headers, or the rest of a body that is answered already:
        nobody reads that any more, and uvicorn would take it in for ever."""
        return self.conn.their_state is h11.IDLE or self.conn.our_state is h11.DONE

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        self._timer = None
        began, _ = self.conn.trailing_data
        if began:
            self._end_with(
                RequestTimeout(
                    f"The headers were not complete after {self.header_timeout:g} seconds "
                    "(setting `header_timeout`)."
                )
            )
        else:  # browsers open connections they may need; to say something there would confuse them
            self.transport.close()

    def _end_with(self, error: DarkroomError) -> None:
        """Send an error, unless an answer is on its way, and close."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            answer = render(error)
            answer.headers["Connection"] = "close"
            head = h11.Response(
                status_code=error.status,
                headers=answer.raw_headers,
                reason=HTTPStatus(error.status).phrase.encode(),
            )
            for event in (head, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        if self.cycle is not None:  # who answers a request of this connection learns of its end
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()


def connection(header_timeout: float) -> type[Connection]:
    """The class of connections with this timeout, in seconds: uvicorn takes a class, and makes its
    objects itself."""
    return type("Connection", (Connection,), {"header_timeout": header_timeout})
