"""Sends messages from a thread of its own, so that generation never waits for a pipe."""

from __future__ import annotations

import logging
import os
from itertools import count
from threading import Condition, Thread
from typing import BinaryIO

from server.snapshots import PreviewReady, StepDone, WorkerMessage
from server.worker import wire

log = logging.getLogger(__name__)

#: Of these only the newest is worth sending.
NEWEST_WINS = (StepDone, PreviewReady)


class Outbox:
    """Messages on their way, in the order in which they were put.

    A `StepDone` or `PreviewReady` replaces the one that still waits, at the end of the line. So
    a reader that is slow costs no memory, and none of them comes after an image it belongs to.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._waiting: dict[str | int, WorkerMessage] = {}
        self._numbers = count()
        self._changed = Condition()
        self._closed = False
        self._thread = Thread(target=self._send_all, name="outbox", daemon=True)
        self._thread.start()

    def put(self, message: WorkerMessage) -> None:
        """Send `message` as soon as the reader takes it. Never blocks; thread-safe."""
        newest_wins = isinstance(message, NEWEST_WINS)
        key = type(message).__name__ if newest_wins else next(self._numbers)
        with self._changed:
            if self._closed:
                return
            self._waiting.pop(key, None)
            self._waiting[key] = message
            self._changed.notify()

    def close(self) -> None:
        """Send what waits and stop; returns at once when the reader is gone."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _send_all(self) -> None:
        while (message := self._next()) is not None:
            try:
                self._stream.write(wire.encode(message))
                self._stream.flush()
            except OSError as error:
                log.info("nobody reads any more: %s", error)
                self._drop_all()
            except Exception:
                # A worker that cannot speak would be waited for in vain.
                log.exception("a message could not be sent")
                os._exit(1)

    def _next(self) -> WorkerMessage | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if not self._waiting:
                return None
            return self._waiting.pop(next(iter(self._waiting)))

    def _drop_all(self) -> None:
        with self._changed:
            self._closed = True
            self._waiting.clear()
