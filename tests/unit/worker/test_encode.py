"""PNG and thumbnail of an image."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from server import pnginfo
from server.worker.encode import png, thumbnail

RECIPE = {"prompt": "noise", "seed": 1, "width": 64, "height": 64, "steps": 2, "model": "m"}


def noise(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels)


def opened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


def test_a_png_keeps_every_pixel_and_its_recipe() -> None:
    image = noise(64, 48)
    data = png(image, RECIPE)
    assert (opened(data).format, opened(data).mode) == ("PNG", "RGB")
    assert opened(data).tobytes() == image.tobytes()
    assert pnginfo.read(data) == RECIPE


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
