"""Counts wrong keys by the address that they come from, so that nobody tries thousands."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from server.http.networks import network_of
from server.key_errors import TooManyFailures

#: Wrong keys that an address may send in `WINDOW` seconds.
MOST = 20
WINDOW = 60.0

#: Addresses that are counted at a time; those that failed longest ago go first.
MOST_ADDRESSES = 10_000


@dataclass(slots=True)
class _Count:
    began: float
    failures: int = 0


class Failures:
    """The wrong keys of each address, counted from its first one on for `WINDOW` seconds;
    see `network_of` for what counts as one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def check(self, address: str) -> None:
        """Refuse an address that has failed too often.

        Raises:
            TooManyFailures: with the seconds until it may try again.
        """
        count = self._counts.get(network_of(address))
        left = 0.0 if count is None else count.began + WINDOW - self._clock()
        if count is not None and count.failures >= MOST and left > 0:
            raise TooManyFailures(
                f"{MOST} wrong keys came from {address} within a minute. Wait, then send the key "
                "that `darkroom keys add` has printed.",
                retry_after=math.ceil(left),
            )

    def add(self, address: str) -> None:
        """Count a wrong key."""
        place, now = network_of(address), self._clock()
        count = self._counts.pop(place, None)
        if count is None or count.began + WINDOW <= now:
            count = _Count(now)
        count.failures += 1
        self._counts[place] = count
        if len(self._counts) > MOST_ADDRESSES:
            self._counts.popitem(last=False)
