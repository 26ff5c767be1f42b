"""What is known of a key; its secret is not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from server.callers import Caller, Scope, Tier


@dataclass(frozen=True, slots=True)
class Key:
    """A key as the database has it.

    Attributes:
        id: its public part, 12 hexadecimal digits.
        name: what its owner calls it; no two keys in use have the same.
        tier: which limits hold for its holder.
        scopes: what it may be used for.
        max_queued: how many jobs of its holder may wait; None: any number.
        max_running: how many jobs of its holder may run at a time; None: any number.
        created_at: when it was made.
        revoked_at: since when it is refused; None while it is in use.
    """

    id: str
    name: str
    tier: Tier
    scopes: frozenset[Scope]
    max_queued: int | None
    max_running: int | None
    created_at: datetime
    revoked_at: datetime | None = None

    @property
    def caller(self) -> Caller:
        """Its holder."""
        return Caller(f"key:{self.id}", self.tier, self.scopes, self.max_queued, self.max_running)
