"""A request does not come in.

RequestError
└── RequestTimeout            408  request_timeout
"""

from __future__ import annotations

from server.errors import RequestError


class RequestTimeout(RequestError):
    """The headers of a request were not complete in time, or its body paused for too long. The
    connection is closed: what else of the request may come is not read."""

    code = "request_timeout"
    status = 408
    title = "Request timeout"

    @property
    def headers(self) -> dict[str, str]:
        return {"Connection": "close"}
