"""The folder of given images: what is kept, what is forgotten, and what is swept."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from server.database import Database
from server.errors import ImageNotFound, InvalidParameters
from server.generation import ImageLimits, ImageToImageParams
from server.inputs import GRACE, InputImages, size_of
from server.jobs.store import JobStore
from tests.families.pictures import data_uri
from tests.unit.jobs.builders import new_job


class WideParams(ImageToImageParams):
    """A model that takes no small and no long images."""

    image_limits = ImageLimits(min_edge=20, max_ratio=3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "inputs").mkdir()
    return tmp_path / "inputs"


@pytest.fixture
def inputs(database: Database, folder: Path) -> InputImages:
    return InputImages(database, folder, max_pixels=1_000_000)


def no_gallery(filename: str) -> Path:
    raise ImageNotFound(f"There is no image {filename}.")


def picture(size: tuple[int, int] = (40, 30), colour: str = "teal") -> bytes:
    buffer = BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def examined(inputs: InputImages, data: bytes) -> dict[str, bytes]:
    params = WideParams(prompt="red", init_image=data_uri(data))
    return inputs.examine(params, no_gallery)[1]


def grow_old(path: Path) -> None:
    then = time.time() - GRACE - 10
    os.utime(path, (then, then))


def test_examining_keeps_nothing(inputs: InputImages, folder: Path) -> None:
    params = WideParams(prompt="red", init_image=data_uri(picture()))
    named, found = inputs.examine(params, no_gallery)
    assert [named.init_image] == list(found)
    assert list(found.values()) == [picture()]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("size", [(19, 40), (40, 19), (100, 30), (30, 100)])
def test_what_the_model_cannot_begin_with_is_refused(
    inputs: InputImages, size: tuple[int, int]
) -> None:
    with pytest.raises(InvalidParameters, match="At least 20 pixels wide and high, and at most 3"):
        examined(inputs, picture(size))
    examined(inputs, picture((90, 30)))


def test_one_image_at_once_is_kept_once_and_whole(inputs: InputImages, folder: Path) -> None:
    buffer = BytesIO()
    Image.effect_noise((500, 500), 90).save(buffer, "PNG")
    found = examined(inputs, buffer.getvalue())
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: inputs.keep(found), range(40)))
    (path,) = folder.iterdir()
    assert path.read_bytes() == buffer.getvalue()


def test_what_was_kept_in_vain_is_forgotten(inputs: InputImages, folder: Path) -> None:
    new = inputs.keep(examined(inputs, picture()))
    assert inputs.keep(examined(inputs, picture((50, 50)))).keys().isdisjoint(new)
    inputs.forget(new)
    assert [path.read_bytes() for path in folder.iterdir()] == [picture((50, 50))]


def test_what_somebody_else_gave_too_is_not_forgotten(inputs: InputImages, folder: Path) -> None:
    new = inputs.keep(examined(inputs, picture()))
    again = inputs.keep(examined(inputs, picture()))
    assert len(new) == 1 and again == {}
    inputs.forget(again)
    inputs.forget(new)
    assert len(list(folder.iterdir())) == 1


def test_what_a_job_names_is_neither_forgotten_nor_swept(
    inputs: InputImages, database: Database
) -> None:
    new = inputs.keep(examined(inputs, picture()))
    (name,) = new
    JobStore(database).create(new_job(params={"prompt": "red", "init_image": name}))
    inputs.forget(new)
    path = inputs.path(name)
    assert path is not None
    grow_old(path)
    inputs.sweep()
    assert path.exists()


def test_a_full_disk_leaves_none_of_a_requests_images(
    inputs: InputImages, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {**examined(inputs, picture()), **examined(inputs, picture((50, 50)))}
    written = 0
    fsync = os.fsync

    def full(descriptor: int) -> None:
        nonlocal written
        written += 1
        if written > 2:  # the first image's file and folder
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr("server.storage.os.fsync", full)
    with pytest.raises(Exception, match="No space left"):
        inputs.keep(found)
    assert list(folder.iterdir()) == []


def test_the_sweep_takes_what_is_old_and_unused(inputs: InputImages, folder: Path) -> None:
    for size in ((40, 30), (50, 50)):
        inputs.keep(examined(inputs, picture(size)))
    for path in folder.iterdir():
        if path.read_bytes() == picture():
            grow_old(path)
    inputs.sweep()
    assert [path.read_bytes() for path in folder.iterdir()] == [picture((50, 50))]


def test_the_sweep_leaves_what_is_given_again_meanwhile(
    inputs: InputImages, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (name,) = inputs.keep(examined(inputs, picture()))
    (path,) = folder.iterdir()
    grow_old(path)
    read = inputs._used

    def slowly() -> set[str]:
        used = read()
        params = WideParams(prompt="red", init_image=name)
        inputs.keep(inputs.examine(params, no_gallery)[1])
        return used

    monkeypatch.setattr(inputs, "_used", slowly)
    inputs.sweep()
    assert path.exists()


def test_a_file_that_goes_away_meanwhile_does_not_stop_the_sweep(
    inputs: InputImages, folder: Path
) -> None:
    (folder / "dangling").symlink_to(folder / "nowhere")
    inputs.sweep()
    assert (folder / "dangling").is_symlink(), "it is not ours to judge"


def test_the_size_of_an_image_is_that_of_the_upright_one() -> None:
    turned = BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    Image.new("RGB", (40, 30)).save(turned, "JPEG", exif=exif)
    assert size_of(picture()) == (40, 30)
    assert size_of(turned.getvalue()) == (30, 40)
    assert size_of(b"no image") is None
    assert size_of(picture()[:20]) is None
