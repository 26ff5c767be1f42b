"""Pieces of sentences about what went wrong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError

#: Something that can be seen, as a pattern.
VISIBLE = r"[^\s\x00-\x1f\x7f-\x9f]"

_PASSWORD = re.compile(r"((?:https?:)?//|https?:/?).*@", re.IGNORECASE | re.DOTALL)
_QUERY = re.compile(r"\?.*", re.DOTALL)


def shortened(text: str, limit: int = 100) -> str:
    """What a client sent, as far as it should stand in a message."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def plain(text: str) -> str:
    """What others say, in one line of printable characters: a line of its own in it would look
    like ours, and some characters give orders to terminals."""
    return "".join(character if character.isprintable() else " " for character in text)


def problems(error: ValidationError) -> list[dict[str, Any]]:
    """One `{"loc", "msg", "type"}` for each thing wrong with a request."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [{"loc": list(item["loc"]), "msg": item["msg"], "type": item["type"]} for item in found]


def summary(errors: list[dict[str, Any]]) -> str:
    """One sentence for a list of `{"loc", "msg", "type"}` problems."""
    places = (".".join(str(step) for step in error["loc"]) for error in errors)
    parts = ((place, error["msg"]) for place, error in zip(places, errors, strict=True))
    return "; ".join(f"{place}: {text}" if place else text for place, text in parts)


def describe(error: BaseException) -> str:
    """`ValueError: what it says`, the way a traceback ends."""
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def shown(text: str) -> str:
    """A reference to weights as it may be logged and shown: without a password or a query in it,
    which may hold a key."""
    return _QUERY.sub("?…", _PASSWORD.sub(r"\1…@", text))
