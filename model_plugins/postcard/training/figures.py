"""What an evaluation counts and measures: shares with their 95 % intervals, and means."""

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

Z_95 = 1.959964

Verdicts: TypeAlias = Iterable[tuple[str, bool]]


class Share(NamedTuple):
    """How many of ``number`` verdicts were right (0..1), and the 95 % interval of that."""

    share: float
    least: float
    most: float
    number: int


class Mean(NamedTuple):
    """The mean of ``number`` measured values."""

    mean: float
    number: int


class Tally:
    """Verdicts and measured values, by what was judged or measured."""

    def __init__(self) -> None:
        self._verdicts: dict[str, list[bool]] = defaultdict(list)
        self._values: dict[str, list[float]] = defaultdict(list)

    def judge(self, verdicts: Verdicts) -> None:
        """Counts verdicts."""
        for name, right in verdicts:
            self._verdicts[name].append(right)

    def measure(self, name: str, values: Iterable[float]) -> None:
        """Takes measured values down."""
        self._values[name].extend(values)

    def add(self, other: "Tally") -> None:
        """Takes over all that another tally holds."""
        self.judge((name, right) for name, found in other._verdicts.items() for right in found)
        for name, values in other._values.items():
            self.measure(name, values)

    def shares(self) -> dict[str, Share]:
        """The share of right verdicts by name."""
        found = sorted(self._verdicts.items())
        return {name: share_of(sum(rights), len(rights)) for name, rights in found}

    def means(self) -> dict[str, Mean]:
        """The mean of the measured values by name."""
        found = sorted(self._values.items())
        return {name: Mean(sum(v) / len(v), len(v)) for name, v in found if v}


def share_of(right: int, count: int) -> Share:
    """The share of right ones with its interval."""
    return Share(right / count, *wilson(right, count), count)


def wilson(right: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share, by Wilson's formula."""
    share, z2 = right / count, Z_95**2
    centre = (share + z2 / (2 * count)) / (1 + z2 / count)
    spread = math.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    half = Z_95 * spread / (1 + z2 / count)
    return max(0.0, centre - half), min(1.0, centre + half)
