"""Keeps keys out of the log: uvicorn writes URLs, and of WebSockets every header when debugging."""

from __future__ import annotations

import logging
import re

from server.keys.token import HEADERS, PATTERN

#: The parameter `key` of a URL, also where its letters are escaped.
_PARAMETER = re.compile(r"([?&;](?:k|%6b)(?:e|%65)(?:y|%79)=)[^&;\s\"']*", re.IGNORECASE)
_HEADER = re.compile(
    rf"\b({'|'.join(HEADERS)}|authorization|cookie|set-cookie)(['\"]?: ).*", re.IGNORECASE
)
_TOKEN = re.compile(PATTERN)


def redacted(text: str) -> str:
    """The text without the secrets of keys; their ids stay, which tell whose they were."""
    text = _PARAMETER.sub(r"\1…", text)
    text = _HEADER.sub(r"\1\2…", text)
    return _TOKEN.sub(r"dk_\1_…", text)


class RedactingFormatter(logging.Formatter):
    """Formats records, tracebacks included, and leaves keys out."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, or lines, of a record."""
        return redacted(super().format(record))
