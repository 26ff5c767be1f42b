"""A caller asks for more than they may have.

RequestError
└── TooManyRequests           429  a limit of this caller
    ├── RateLimited                rate_limited
    └── QuotaExceeded              quota_exceeded
"""

from __future__ import annotations

from server.errors import RequestError


class TooManyRequests(RequestError):
    """A limit of this caller is reached; the same request succeeds later."""

    code = "too_many_requests"
    status = 429
    title = "Too many requests"

    def __init__(self, message: str = "", *, retry_after: int = 10) -> None:
        super().__init__(message)
        self.retry_after = retry_after  # seconds

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after)}


class RateLimited(TooManyRequests):
    """The caller has submitted as many jobs as they may in this time."""

    code = "rate_limited"
    title = "Rate limit reached"


class QuotaExceeded(TooManyRequests):
    """As many jobs of this key wait as its quota allows."""

    code = "quota_exceeded"
    title = "Quota exceeded"
