"""Server-sent events: streams that cost little, and as many of them as the server can bear."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator, Iterator

from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.types import Message, Receive, Scope, Send

from server.errors import TooManyStreams

#: Seconds until a client that reads nothing loses its stream. It reconnects if it lives.
SEND_TIMEOUT = 30.0

#: Seconds between two comments on a silent stream, so that proxies keep it open.
PING_INTERVAL = 15

#: Seconds that a client gets to read the end of its stream when the server stops.
FAREWELL = 1.0

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

logger = logging.getLogger(__name__)


class Streams:
    """Counts the open streams of one server."""

    def __init__(self, limit: int) -> None:
        """`limit` is lowered to half of the files that the process may open."""
        self.limit = min(limit, _files() // 2)
        self.open = 0

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """Room for one stream.

        Raises:
            TooManyStreams: there is none.
        """
        if self.open >= self.limit:
            raise TooManyStreams(
                f"{self.limit} event streams are open (setting `max_streams`). "
                "Poll instead, or try again later."
            )
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1


def _files() -> int:
    """How many files this process may open; Windows has no such limit."""
    if sys.platform == "win32":
        return sys.maxsize
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


class Ping(ServerSentEvent):
    """A comment without the blank line that would end an event: some clients take a blank line
    after a comment for an event without data."""

    def encode(self) -> bytes:
        return b": ping\r\n"


class EventStream(EventSourceResponse):
    """Sends events one by one: the next is asked for when the previous has been handed to the
    connection, so that a slow reader holds back its own stream and nothing piles up."""

    def __init__(
        self,
        events: AsyncIterator[ServerSentEvent],
        streams: Streams,
        farewell: ServerSentEvent | None = None,
    ) -> None:
        """`farewell`: the last event of a stream that the server's own end breaks off."""
        super().__init__(
            events,
            headers=HEADERS,
            ping=PING_INTERVAL,
            ping_message_factory=Ping,
            send_timeout=SEND_TIMEOUT,
        )
        self._streams = streams
        self._farewell = b"" if farewell is None else farewell.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_complete = False

        async def send_noting(message: Message) -> None:
            nonlocal is_complete
            await send(message)
            is_complete = not message.get("more_body", message["type"] == "http.response.start")

        with self._streams.place():
            try:
                await super().__call__(scope, receive, send_noting)
            except SendTimeoutError:
                logger.info("closed a stream whose client read nothing for %s s", SEND_TIMEOUT)
                return
            if not is_complete:
                await _complete(send, self._farewell)


async def _complete(send: Send, farewell: bytes) -> None:
    """End a stream that the server's own end broke off; without it clients see a broken answer.
    A client that does not read is not waited for."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(FAREWELL):
            await send({"type": "http.response.body", "body": farewell, "more_body": False})
