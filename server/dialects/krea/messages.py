"""The messages of the socket: what asks for an image, and what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from server.errors import RequestError
from server.wording import shortened

#: The type of messages that ask for an image, and of their answers.
GENERATE = "generate"
PROGRESS = "progress"
COMPLETE = "complete"
ERROR = "error"

#: Characters of an id that a client gives a message.
MAX_ID = 200

Id = str | int | None


@dataclass(frozen=True, slots=True)
class Thread:
    """A message and its answers, which repeat the ids that the message has beside `type` and inside
    `data`, so that a client with several messages under way tells their answers apart."""

    outer: Id = None
    inner: Id = None

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Thread:
        """The thread that a message begins. An id that is neither a number nor a short text is
        ignored."""
        data = message.get("data")
        return cls(_id(message), _id(data) if isinstance(data, dict) else None)

    def answer(self, kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
        """A message of the server to this thread."""
        outer = {} if self.outer is None else {"id": self.outer}
        inner = {} if self.inner is None else {"id": self.inner}
        return {"type": kind, **outer, "data": {**data, **inner}}


def wish(message: Mapping[str, Any]) -> dict[str, Any]:
    """The request that a message brings.

    Raises:
        RequestError: it asks for no image.
    """
    kind, data = message.get("type"), message.get("data")
    if kind != GENERATE:
        text = shortened(str(kind))
        raise RequestError(f"There is no message of type {text!r}; send `{GENERATE}`.")
    if not isinstance(data, dict):
        raise RequestError("`data` is missing: an object with `prompt`, as for `POST /generate`.")
    return data


def _id(words: Mapping[str, Any]) -> Id:
    found = words.get("id")
    if isinstance(found, bool) or not isinstance(found, str | int):
        return None
    return found if len(str(found)) <= MAX_ID else None
