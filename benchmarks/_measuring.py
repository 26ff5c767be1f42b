"""What the benchmarks have in common: ratios with their intervals, and tables.

Import it first: it makes the checkout's own packages importable wherever a benchmark is run, and
the libraries quiet.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

# Read when the libraries are imported, by child processes too.
for library in ("TRANSFORMERS", "DIFFUSERS"):
    os.environ.setdefault(f"{library}_VERBOSITY", "error")

#: How often the measured pairs are drawn anew for an interval.
DRAWS = 10_000


class Ratio(NamedTuple):
    """The median of ratios, and between what it lies in 95 of 100 repetitions."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3f} ({self.low:.3f} … {self.high:.3f})"


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    """Of values measured in turns, pair by pair: what disturbs both sides of a pair cancels."""
    ratios = np.divide(ours, theirs)
    drawn = np.random.default_rng(0).choice(ratios, (DRAWS, len(ratios)))
    low, high = np.percentile(np.median(drawn, axis=1), (2.5, 97.5))
    return Ratio(float(np.median(ratios)), float(low), float(high))


def turns(rounds: int, *sides: Callable[[], float]) -> list[list[float]]:
    """What each side gives in each round; every other round goes through them backwards."""
    found: list[list[float]] = [[] for _ in sides]
    for number in range(rounds):
        order = range(len(sides)) if number % 2 == 0 else reversed(range(len(sides)))
        for side in order:
            found[side].append(sides[side]())
    return found


def seconds(work: Callable[[], Any]) -> float:
    """How long `work` takes."""
    began = perf_counter()
    work()
    return perf_counter() - began


def median(values: Sequence[float]) -> float:
    """The middle of the values."""
    return float(np.median(values))


def table(title: str, rows: Sequence[dict[str, Any]]) -> None:
    """Print rows of the same columns as Markdown, as `RESULTS.md` has them."""
    print(f"\n{title}\n")
    print("\n".join(_lines(rows)), flush=True)


def _lines(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield _line(rows[0])
    yield _line(["---"] * len(rows[0]))
    for row in rows:
        yield _line(row.values())


def _line(cells: Any) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"
