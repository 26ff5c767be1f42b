"""Enlarging tile by tile: no seams, the right size, and smaller tiles when memory is short."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from model_plugins.enlarger import tiling
from model_plugins.enlarger.network import LEAST_EDGE, TiledNetwork
from server.worker.failures import is_out_of_memory
from tests.support import Listener

#: An edge of tiles that makes several of small images.
EDGE = 64


def photo(width: int, height: int) -> Image.Image:
    """Soft slopes and a little noise, another in each channel."""
    down, across = np.mgrid[0:height, 0:width]
    slopes = np.stack([down * 2, across * 2, down + across], axis=-1) % 256
    noise = np.random.default_rng(7).integers(0, 16, slopes.shape)
    return Image.fromarray(np.clip(slopes + noise, 0, 255).astype(np.uint8))


class Nearest:
    """A network that repeats pixels; it knows no neighbours, so tiles fit without a trace."""

    def __init__(self, scale: int) -> None:
        self.scale = scale
        self.seen: list[tuple[int, int]] = []

    def __call__(self, tile: Image.Image) -> Image.Image:
        self.seen.append(tile.size)
        size = (tile.width * self.scale, tile.height * self.scale)
        return tile.resize(size, Image.Resampling.NEAREST)


class Blurring(Nearest):
    """A network that looks at its neighbours, and sees nothing beyond the tile's edge."""

    def __call__(self, tile: Image.Image) -> Image.Image:
        larger = np.asarray(super().__call__(tile)).astype(np.float32)
        padded = np.pad(larger, ((3, 3), (3, 3), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (7, 7), axis=(0, 1))
        return Image.fromarray(windows.mean(axis=(-2, -1)).round().astype(np.uint8))


class Forgetful(Nearest):
    """A network for which memory suffices up to a size of tile."""

    def __init__(self, scale: int, largest: int) -> None:
        super().__init__(scale)
        self.largest = largest
        self.failures = 0

    def __call__(self, tile: Image.Image) -> Image.Image:
        if max(tile.size) > self.largest:
            self.failures += 1
            raise MemoryError("too large a tile")
        return super().__call__(tile)


def enlarged(
    image: Image.Image, scale: int, network: tiling.Network, edge: int = EDGE
) -> tuple[Image.Image, list[tuple[int, int]]]:
    """The larger image, and the steps that were told."""
    steps: list[tuple[int, int]] = []
    listener = Listener(lambda step, total, _: steps.append((step, total)))
    return tiling.enlarge(image, scale, network, edge, listener), steps


@pytest.mark.parametrize("length", [1, 63, 64, 65, 96, 97, 128, 500, 1001])
def test_tiles_cover_a_length_and_overlap(length: int) -> None:
    tiles = tiling.spans(length, EDGE, 16)
    assert (tiles[0][0], tiles[-1][1]) == (0, length)
    assert all(0 < stop - start <= EDGE for start, stop in tiles)
    assert all(one[0] < two[0] and one[1] - two[0] >= 16 for one, two in pairwise(tiles))


@pytest.mark.parametrize("length", [64, 65, 97, 128, 500])
def test_the_weights_of_tiles_are_one_together(length: int) -> None:
    tiles = tiling.spans(length, EDGE, 16)
    sums = np.zeros(length * 3)
    for (start, stop), weight in zip(tiles, tiling.weights(tiles, 16, 3), strict=True):
        assert weight.min() >= 0
        sums[start * 3 : stop * 3] += weight
    assert np.abs(sums - 1).max() < 1e-6


@pytest.mark.parametrize("size", [(200, 130), (40, 300), (64, 64), (1, 1), (65, 1)])
def test_tiles_leave_no_trace(size: tuple[int, int]) -> None:
    image, network = photo(*size), Nearest(4)
    made, steps = enlarged(image, 4, network)
    assert made.tobytes() == Nearest(4)(image).tobytes()
    assert all(max(tile) <= EDGE for tile in network.seen)
    total = len(network.seen)
    assert steps == [(number, total) for number in range(1, total + 1)]
    assert (total > 1) == (max(size) > EDGE)


def test_what_is_next_to_an_inner_edge_does_not_count() -> None:
    image = photo(150, 100)
    made, _ = enlarged(image, 2, Blurring(2))
    whole = np.asarray(Blurring(2)(image)).astype(int)
    assert np.abs(np.asarray(made).astype(int) - whole).max() <= 1


def test_tiles_that_differ_fade_into_each_other() -> None:
    class Numbered(Nearest):
        """Each tile is lighter than the one before."""

        def __call__(self, tile: Image.Image) -> Image.Image:
            level = 100 + 20 * len(self.seen)
            return Image.new("RGB", super().__call__(tile).size, (level, level, level))

    made, _ = enlarged(photo(150, 40), 2, Numbered(2))
    row = np.asarray(made)[20, :, 0].astype(int)
    rises = np.diff(row)
    assert (row[0], row[-1]) == (100, 160)
    assert rises.min() >= 0 and rises.max() <= 2, "slopes, no steps"


@pytest.mark.parametrize(("native", "scale"), [(4, 2), (4, 3), (2, 3), (2, 8), (4, 8), (3, 8)])
def test_a_scale_is_reached_by_running_often_enough_and_then_shrinking(
    native: int, scale: int
) -> None:
    image = photo(30, 20)
    made, steps = enlarged(image, scale, Nearest(native))
    expected, runs = image, 0
    while expected.width < image.width * scale:
        expected, runs = Nearest(native)(expected), runs + 1
    size = (30 * scale, 20 * scale)
    assert made.tobytes() == expected.resize(size, Image.Resampling.LANCZOS).tobytes()
    assert [step for step, _ in steps] == list(range(1, steps[-1][1] + 1))
    assert len(steps) >= runs


@pytest.mark.parametrize(("native", "scale"), [(4, 3), (3, 8), (4, 8), (7, 8)])
def test_tiles_that_are_shrunk_fit_too(native: int, scale: int) -> None:
    image, network = photo(150, 70), Nearest(native)
    made, _ = enlarged(image, scale, network)
    whole, _ = enlarged(image, scale, Nearest(native), edge=10_000)
    difference = np.abs(np.asarray(made).astype(int) - np.asarray(whole).astype(int))
    assert made.size == (150 * scale, 70 * scale)
    assert difference.max() <= 1
    assert all(max(tile) <= EDGE for tile in network.seen)


def test_short_memory_makes_the_tiles_smaller_and_is_remembered() -> None:
    image, network = photo(300, 200), Forgetful(2, largest=100)
    enlarger = TiledNetwork(network)
    made = enlarger.enlarge(image, 2, Listener())
    assert made.tobytes() == Nearest(2)(image).tobytes()
    assert network.failures == 2, "256, 128, 64"
    enlarger.enlarge(image, 2, Listener())
    assert network.failures == 2


def test_memory_that_never_suffices_is_an_error() -> None:
    network = Forgetful(2, largest=LEAST_EDGE - 1)
    with pytest.raises(MemoryError) as caught:
        TiledNetwork(network).enlarge(photo(300, 200), 2, Listener())
    assert is_out_of_memory(caught.value)
    assert network.failures == 3


def test_a_cancel_stops_at_the_next_tile() -> None:
    class Stop(BaseException):
        """What the server's listener raises."""

    def stop(step: int, total: int, latents: object) -> None:
        raise Stop

    network = Nearest(2)
    with pytest.raises(Stop):
        TiledNetwork(network, EDGE).enlarge(photo(300, 200), 2, Listener(stop))
    assert len(network.seen) == 1
