"""Server-sent events: streams that cost little, and as many of them as the server can bear."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.types import Receive, Scope, Send

from server.errors import TooManyStreams

#: Seconds until a client that reads nothing loses its stream. It reconnects if it lives.
SEND_TIMEOUT = 30.0

#: Seconds between two comments on a silent stream, so that proxies keep it open.
PING_INTERVAL = 15

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

logger = logging.getLogger(__name__)


class Streams:
    """Counts the open streams of one server."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.open = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """Room for one stream.

        Raises:
            TooManyStreams: there is none.
        """
        if self.open >= self._limit:
            raise TooManyStreams(
                f"{self._limit} event streams are open (setting `max_streams`). "
                "Poll instead, or try again later."
            )
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1


class EventStream(EventSourceResponse):
    """Sends events one by one: the next is asked for when the previous has been handed to the
    connection, so that a slow reader holds back its own stream and nothing piles up."""

    def __init__(self, events: AsyncIterator[ServerSentEvent], streams: Streams) -> None:
        super().__init__(events, headers=HEADERS, ping=PING_INTERVAL, send_timeout=SEND_TIMEOUT)
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._streams.place():
            try:
                await super().__call__(scope, receive, send)
            except SendTimeoutError:
                logger.info("closed a stream whose client read nothing for %s s", SEND_TIMEOUT)
