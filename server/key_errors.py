"""What can be wrong with a key: branches of the tree in `server.errors`.

RequestError
├── KeyNeeded                 401
│   ├── KeyMissing                 key_missing
│   └── KeyRefused                 key_refused
├── ScopeMissing              403  scope_missing
├── NotFound                  404
│   └── KeyNotFound                key_not_found
├── KeyNameUnusable           422  key_name_unusable
└── TooManyRequests           429
    └── TooManyFailures            too_many_failures
"""

from __future__ import annotations

from server.errors import NotFound, RequestError
from server.limit_errors import TooManyRequests


class KeyNeeded(RequestError):
    """The server asks for a key; without a valid one the request goes no further."""

    code = "key_needed"
    status = 401
    title = "Key needed"

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": "Bearer"}


class KeyMissing(KeyNeeded):
    """The request comes without a key; the message lists where one may stand."""

    code = "key_missing"
    title = "Key missing"


class KeyRefused(KeyNeeded):
    """The key of the request is none of this server's, or was revoked."""

    code = "key_refused"
    title = "Key refused"


class ScopeMissing(RequestError):
    """The key may not be used for this; the message names the scope that it lacks."""

    code = "scope_missing"
    status = 403
    title = "Scope missing"


class KeyNotFound(NotFound):
    """No key that is in use has this name or id."""

    code = "key_not_found"
    title = "Key not found"


class KeyNameUnusable(RequestError):
    """A key cannot have this name: it is taken, empty or too long."""

    code = "key_name_unusable"
    status = 422
    title = "Key name unusable"


class TooManyFailures(TooManyRequests):
    """Too many wrong keys came from this address; it has to wait before it may try others."""

    code = "too_many_failures"
    title = "Too many wrong keys"
