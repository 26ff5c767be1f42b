"""Who sends a request, and what they may do."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


class Tier(StrEnum):
    """What a caller's limits are like."""

    ANONYMOUS = "anonymous"
    AUTHENTICATED = "authenticated"
    PRO = "pro"


class Scope(StrEnum):
    """What a key may be used for. `admin` is for what takes something from others: deleting,
    settings, plugins, downloads, the queue."""

    GENERATE = "generate"
    READ = "read"
    ADMIN = "admin"


ALL_SCOPES = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request.

    Attributes:
        id: `key:ID`, or `address:IP` of somebody without a key.
        tier: which limits hold.
        scopes: what the caller may do.
        max_queued: how many jobs of theirs may wait; None: any number.
        max_running: how many jobs of theirs may run at a time; None: any number.
    """

    id: str
    tier: Tier = Tier.ANONYMOUS
    scopes: Collection[Scope] = ALL_SCOPES
    max_queued: int | None = None
    max_running: int | None = None


#: Whoever uses the server from inside: the command line, tests.
LOCAL = Caller("address:local")
