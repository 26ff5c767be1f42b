"""How often callers may submit jobs through each API. Only accepted jobs count."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from limits import RateLimitItem
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from server.callers import Caller
from server.http.networks import network_of
from server.limit_errors import RateLimited
from server.rate_limits import RateLimits, parse


class RateLimiter:
    """Counts the jobs of each caller, in memory. Lives on the event loop."""

    def __init__(self, limits: Mapping[str, RateLimits]) -> None:
        """`limits`: those of each API, by its name."""
        self._limits = {
            (api, tier): parse(text)
            for api, tiers in limits.items()
            for tier, text in tiers.items()
        }
        self._windows = MovingWindowRateLimiter(MemoryStorage())
        self._pending: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def place(self, api: str, caller: Caller) -> Iterator[None]:
        """Room for one job, which counts when the block ends without an error.

        Raises:
            RateLimited: there is none; the error says when there will be.
        """
        who, items = _who(api, caller), self._items(api, caller)
        for item in items:
            # What is being submitted right now may still be accepted.
            if not self._windows.test(item, *who, cost=self._pending[who] + 1):
                raise self._reached(item, who)
        self._pending[who] += 1
        try:
            yield
            for item in items:
                self._windows.hit(item, *who)
        finally:
            self._pending[who] -= 1
            if not self._pending[who]:
                del self._pending[who]

    def headers(self, api: str, caller: Caller) -> dict[str, str]:
        """`X-RateLimit-Limit`, `-Remaining` and `-Reset` (seconds since 1970) of the limit that is
        nearest to being reached; none without a limit."""
        who = _who(api, caller)
        states = [
            (max(0, stats.remaining - self._pending[who]), item.amount, stats.reset_time)
            for item in self._items(api, caller)
            for stats in [self._windows.get_window_stats(item, *who)]
        ]
        if not states:
            return {}
        remaining, amount, reset = min(states)
        return {
            "X-RateLimit-Limit": str(amount),
            "X-RateLimit-Remaining": str(remaining),
            "X-RateLimit-Reset": str(math.ceil(reset)),
        }

    def _items(self, api: str, caller: Caller) -> tuple[RateLimitItem, ...]:
        return self._limits.get((api, caller.tier), ())

    def _reached(self, item: RateLimitItem, who: tuple[str, str]) -> RateLimited:
        reset = self._windows.get_window_stats(item, *who).reset_time
        wait = max(1, math.ceil(reset - time.time()))
        return RateLimited(
            f"The limit of {_shown(item)} is reached. Try again in {wait} seconds.",
            retry_after=wait,
        )


def _who(api: str, caller: Caller) -> tuple[str, str]:
    """Whom a limit is for: the holder of a key, or everybody in one network."""
    kind, _, name = caller.id.partition(":")
    return api, f"{kind}:{network_of(name)}"


def _shown(item: RateLimitItem) -> str:
    """A limit in words: `2 jobs per minute`, `5 jobs per 10 seconds`."""
    count, unit = item.multiples, item.GRANULARITY.name
    time_span = unit if count == 1 else f"{count} {unit}s"
    return f"{item.amount} jobs per {time_span}"
