"""PNG and thumbnail of an image."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from server import pnginfo
from server.worker.encode import png, thumbnail

RECIPE = {"prompt": "noise", "seed": 1, "width": 64, "height": 64, "steps": 2, "model": "m"}


def noise(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels)


def noise_of(edge: int, strength: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng(0).integers(0, strength, (edge, edge, 3))


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    """The kind, content and checksum of each chunk of a PNG."""
    place = 8
    while place < len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        content = data[place + 8 : place + 8 + size]
        (checksum,) = struct.unpack_from(">I", data, place + 8 + size)
        yield kind, content, checksum
        place += 12 + size


def opened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


@given(
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    mode=st.sampled_from(["L", "LA", "RGB", "RGBA"]),
    kind=st.sampled_from(["noise", "slope", "flat"]),
)
def test_a_png_keeps_every_pixel(width: int, height: int, mode: str, kind: str) -> None:
    shape = (height, width, 4)
    drawn = {
        "noise": np.random.default_rng(width * height).integers(0, 256, shape),
        "slope": np.add.outer(np.arange(height), np.arange(width))[..., None] * [1, 7, 99, 200],
        "flat": np.full(shape, 255),
    }[kind]
    image = Image.fromarray((drawn % 256).astype(np.uint8)).convert(mode)
    decoded = opened(png(image, RECIPE))
    assert (decoded.format, decoded.mode, decoded.size) == ("PNG", mode, image.size)
    assert decoded.tobytes() == image.tobytes()


@pytest.mark.parametrize(("mode", "kept"), [("1", "RGB"), ("P", "RGB"), ("PA", "RGBA")])
def test_other_modes_are_converted(mode: str, kept: str) -> None:
    image = noise(32, 20).convert("L").convert(mode)
    decoded = opened(png(image, RECIPE))
    assert (decoded.mode, decoded.tobytes()) == (kept, image.convert(kept).tobytes())


def test_a_png_has_its_recipe_before_its_pixels_in_whole_chunks() -> None:
    data = png(noise(64, 48), RECIPE)
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    found = list(chunks(data))
    assert [kind for kind, _, _ in found] == [b"IHDR", b"iTXt", b"tEXt", b"IDAT", b"IEND"]
    assert all(crc == zlib.crc32(kind + content) for kind, content, crc in found)
    assert pnginfo.read(data) == RECIPE


def test_every_reader_finds_the_recipe() -> None:
    texts = opened(png(noise(64, 64), RECIPE)).info
    assert json.loads(texts["darkroom"]) == RECIPE
    assert texts["parameters"].startswith("noise\nSteps: 2, ")


def test_a_picture_takes_no_more_space_than_with_pillow() -> None:
    """A fast encoder that gave up compressing would pass every other test."""
    slopes = np.add.outer(np.arange(256), np.arange(256))[..., None] // [2, 3, 5]
    image = Image.fromarray((slopes + noise_of(256, 6)).astype(np.uint8))
    theirs = BytesIO()
    image.save(theirs, "PNG", compress_level=1)
    assert len(png(image, RECIPE)) < 1.15 * len(theirs.getvalue())


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1, 1), (1, 1)),
        ((3, 2), (1, 1)),
        ((64, 64), (32, 32)),
        ((128, 96), (64, 48)),
        ((640, 480), (320, 240)),
        ((1024, 1024), (320, 320)),
        ((64, 2048), (10, 320)),
        ((2048, 64), (320, 10)),
        ((2048, 2), (320, 1)),
    ],
)
def test_a_thumbnail_has_half_the_longest_edge_and_at_most_320_pixels(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    small = opened(thumbnail(Image.new("RGB", size, (200, 30, 30))))
    assert (small.format, small.size) == ("WEBP", expected)
    red, green, blue = np.asarray(small).reshape(-1, 3).mean(0)
    assert red > 180
    assert max(green, blue) < 50


def test_encoding_in_parallel_changes_nothing() -> None:
    images = [noise(64 + 16 * n, 64) for n in range(16)]
    with ThreadPoolExecutor(8) as pool:
        parallel = list(pool.map(lambda image: png(image, RECIPE), images))
    assert parallel == [png(image, RECIPE) for image in images]
