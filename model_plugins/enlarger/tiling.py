"""Enlarges an image by a network tile by tile. Imports no torch.

A network has a scale of its own. Where another is wanted, it runs often enough to reach it, and the
tiles of the last run are brought to the size wanted: nothing in between has more pixels than the
result. Neighbouring tiles overlap and fade into each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from darkroom import StepListener

#: By how many pixels, as the network sees them, neighbouring tiles overlap at least.
OVERLAP = 32

Floats = npt.NDArray[np.float32]

#: The first pixel of a tile along an axis, and the one behind its last.
Span = tuple[int, int]


class Network(Protocol):
    """Makes an RGB image `scale` times as wide and as high."""

    @property
    def scale(self) -> int:
        """Its own scale, 2 or more."""

    def __call__(self, tile: Image.Image) -> Image.Image:
        """The larger image."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the network over the whole image, which was `before` times and becomes `after`
    times as large as the given one. Tiles are measured in pixels of the given image, so that they
    lie on whole pixels before and after."""

    before: int
    after: int
    columns: Sequence[Span]
    rows: Sequence[Span]
    overlap: int

    @property
    def tiles(self) -> int:
        """How many."""
        return len(self.columns) * len(self.rows)


def enlarge(
    image: Image.Image, scale: int, network: Network, edge: int, on_step: StepListener
) -> Image.Image:
    """`image` (RGB), `scale` times as wide and as high.

    Args:
        image: what the network begins with.
        scale: 2 or more.
        network: makes the tiles larger.
        edge: the most pixels that a tile has along an edge, as the network sees it; more than
            twice `OVERLAP` over the network's scale.
        on_step: is told of every tile of every run.
    """
    runs = list(_runs(image.size, network.scale, scale, edge))
    total, done = sum(run.tiles for run in runs), 0

    def count() -> None:
        nonlocal done
        done += 1
        on_step(done, total)

    for run in runs:
        image = _made(image, run, network, count)
    return image


def _runs(size: tuple[int, int], native: int, scale: int, edge: int) -> Iterator[Run]:
    before = 1
    while before < scale:
        after = min(before * native, scale)
        overlap = -(-OVERLAP // before)
        columns, rows = (spans(length, edge // before, overlap) for length in size)
        yield Run(before, after, columns, rows, overlap)
        before = after


def spans(length: int, tile: int, overlap: int) -> list[Span]:
    """Tiles of `tile` pixels at most that cover `length` pixels, evenly spread; neighbours have
    `overlap` pixels or more in common. `tile` is more than `overlap`."""
    if length <= tile:
        return [(0, length)]
    count = -(-(length - overlap) // (tile - overlap))
    starts = [round(number * (length - tile) / (count - 1)) for number in range(count)]
    return [(start, start + tile) for start in starts]


def weights(tiles: Sequence[Span], overlap: int, times: int) -> list[Floats]:
    """How much each tile counts at each of its pixels, which are made `times` as many: together 1
    everywhere. What is next to an inner edge counts nothing, because networks do worst there."""
    margin, length = overlap * times, tiles[-1][1] * times
    sums = np.zeros(length, np.float32)
    found = []
    for number, (start, stop) in enumerate(tiles):
        place = np.arange(start * times, stop * times, dtype=np.float32) + 0.5
        after = place - start * times if number else np.full_like(place, margin)
        before = stop * times - place if number + 1 < len(tiles) else np.full_like(place, margin)
        ramp: Floats = np.clip((np.minimum(after, before) / margin - 0.25) * 2, 0, 1)
        sums[start * times : stop * times] += ramp
        found.append(ramp)
    for ramp, (start, stop) in zip(found, tiles, strict=True):
        np.divide(ramp, sums[start * times : stop * times], out=ramp)
    return found


def _made(image: Image.Image, run: Run, network: Network, count: Callable[[], None]) -> Image.Image:
    times = run.after
    width, height = run.columns[-1][1] * times, run.rows[-1][1] * times
    result = Image.new("RGB", (width, height))
    over = np.zeros((0, width, 3), np.float32)
    ends = [*(top for top, _ in run.rows[1:]), run.rows[-1][1]]
    ramps = weights(run.rows, run.overlap, times)
    for row, end, ramp in zip(run.rows, ends, ramps, strict=True):
        band = _band(image, row, run, network, count)
        band *= ramp[:, None, None]
        band[: len(over)] += over
        # Rows that the next band begins with are not complete yet.
        ready = (end - row[0]) * times
        pixels = (band[:ready] + 0.5).astype(np.uint8)
        result.paste(Image.fromarray(pixels), (0, row[0] * times))
        over = band[ready:].copy()
    return result


def _band(
    image: Image.Image, row: Span, run: Run, network: Network, count: Callable[[], None]
) -> Floats:
    """A row of tiles side by side, faded into each other, as (rows, columns, 3) in 0 … 255."""
    (top, bottom), times = row, run.after
    height, width = (bottom - top) * times, run.columns[-1][1] * times
    band = np.zeros((height, width, 3), np.float32)
    ramps = weights(run.columns, run.overlap, times)
    for (left, right), ramp in zip(run.columns, ramps, strict=True):
        box = (left * run.before, top * run.before, right * run.before, bottom * run.before)
        tile = network(image.crop(box))
        size = ((right - left) * times, height)
        if tile.size != size:
            tile = tile.resize(size, Image.Resampling.LANCZOS)
        band[:, left * times : right * times] += np.asarray(tile) * ramp[None, :, None]
        count()
    return band
