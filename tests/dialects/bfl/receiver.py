"""Somebody who is told of tasks that have ended: real HTTP on loopback, in threads."""

from __future__ import annotations

import json
from types import TracebackType
from typing import Any

from tests.fake_http import Exchange, Fault, Seen, Server

PATH = "/hook"


class Receiver:
    """A context in which webhooks are received.

    Attributes:
        seen: the requests that came in.
        faults: by path, how the next requests are answered instead of acknowledged.
    """

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.faults: dict[str, list[Fault]] = {}
        self._server = Server(self, self._acknowledge)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}{PATH}"

    def __enter__(self) -> Receiver:
        self._server.thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def told(self, task: str) -> list[Seen]:
        """The requests about a task."""
        return [each for each in self.seen if body(each)["id"] == task]

    def _acknowledge(self, exchange: Exchange, path: str) -> None:
        exchange.json(200, {"received": True})


def body(seen: Seen) -> dict[str, Any]:
    """What was told."""
    found: dict[str, Any] = json.loads(seen.body)
    return found
