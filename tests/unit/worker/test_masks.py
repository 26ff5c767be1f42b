"""Masks: what of an image they say is redrawn, how they are cut, and how they fade."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw

from server.worker import masks
from server.worker.masks import FEATHER

Levels = npt.NDArray[np.uint8]

ORIENTATION = 0x0112


def levels(mask: Image.Image) -> Levels:
    assert mask.mode == "L"
    return np.asarray(mask)


def rectangle(size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).rectangle(box, fill=255)
    return mask


@pytest.mark.parametrize(("grey", "redrawn"), [(0, 0), (127, 0), (128, 255), (255, 255)])
def test_what_is_bright_is_redrawn(grey: int, redrawn: int) -> None:
    for mode in ("L", "RGB", "1") if grey in (0, 255) else ("L", "RGB"):
        image = Image.new("L", (3, 2), grey).convert(mode)
        assert (levels(masks.read_mask(image)) == redrawn).all()


def test_what_is_transparent_is_kept() -> None:
    image = Image.new("RGBA", (4, 1), (255, 255, 255, 0))
    image.putpixel((1, 0), (255, 255, 255, 255))
    image.putpixel((2, 0), (0, 0, 0, 255))
    assert levels(masks.read_mask(image)).tolist() == [[0, 255, 0, 0]]


def test_greys_of_16_bits_are_scaled() -> None:
    image = Image.fromarray(np.array([[0, 300, 40_000]], np.uint16))
    assert levels(masks.read_mask(image)).tolist() == [[0, 0, 255]]


def test_a_mask_is_turned_as_its_exif_says() -> None:
    image = rectangle((4, 2), (0, 0, 0, 1))
    image.getexif()[ORIENTATION] = 6  # a quarter to the right
    assert levels(masks.read_mask(image)).tolist() == [[255, 255], [0, 0], [0, 0], [0, 0]]


def test_only_black_is_empty() -> None:
    assert masks.is_empty(Image.new("L", (5, 5)))
    assert not masks.is_empty(rectangle((5, 5), (4, 4, 4, 4)))


def test_a_mask_of_the_images_own_size_stays_as_it_is() -> None:
    mask, image = rectangle((48, 32), (3, 5, 17, 20)), Image.new("RGB", (48, 32))
    assert levels(masks.laid_over(mask, image, 48, 32)).tolist() == levels(mask).tolist()


def test_a_mask_is_stretched_over_the_image_and_cut_with_it() -> None:
    mask = rectangle((10, 10), (0, 0, 4, 9))  # the left half
    image = Image.new("RGB", (80, 40))
    cut = levels(masks.laid_over(mask, image, 20, 20))
    assert (cut[:, :10] == 255).all() and (cut[:, 10:] == 0).all()
    edge = rectangle((10, 10), (0, 0, 1, 9))  # the fifth that is cut away
    assert masks.is_empty(masks.laid_over(edge, image, 20, 20))


def test_no_stroke_is_too_thin_to_count() -> None:
    mask = rectangle((640, 640), (317, 0, 317, 639))
    assert levels(masks.laid_over(mask, mask, 64, 64)).max(axis=1).tolist() == [255] * 64


@pytest.mark.parametrize("box", [(20, 20, 39, 39), (30, 30, 30, 30), (0, 0, 59, 9)])
def test_what_is_redrawn_fades_outwards(box: tuple[int, int, int, int]) -> None:
    mask = rectangle((60, 60), box)
    shown = levels(masks.feathered(mask))
    left, top, right, bottom = box
    wider = (left - FEATHER, top - FEATHER, right + FEATHER, bottom + FEATHER)
    reached = levels(rectangle((60, 60), wider))
    assert (shown[levels(mask) == 255] == 255).all()
    assert (shown[reached == 0] == 0).all()
    row = shown[(top + bottom) // 2, right + 1 : right + 1 + FEATHER].astype(int).tolist()
    assert row == sorted(row, reverse=True) and (not row or 0 < row[-1] < row[0] < 255)
