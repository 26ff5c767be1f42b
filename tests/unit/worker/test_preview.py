"""Previews: colours, sizes, throttling, and that they never fail a job."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from server.plugins.types import LatentFormat
from server.snapshots import PreviewReady
from server.worker.preview import Previewer, colours, encode_preview

#: Channel 0 is red, channel 1 takes green away, channel 2 says nothing.
FORMAT = LatentFormat(((2.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, 0.0)), (-1.0, 0.0, 0.5))


class Latents:
    """As much of a tensor on the CPU as a preview needs."""

    is_cuda = False

    def __init__(self, array: npt.NDArray[np.float32]) -> None:
        self._array = array

    def detach(self) -> Latents:
        return self

    def to(self, device: str, *, copy: bool) -> Latents:
        assert (device, copy) == ("cpu", True)
        return Latents(self._array.copy())

    def float(self) -> Latents:
        return self

    def numpy(self) -> npt.NDArray[np.float32]:
        return self._array


def plain(red: float, green: float, height: int = 16, width: int = 16) -> npt.NDArray[np.float32]:
    latents = np.zeros((3, height, width), np.float32)
    latents[0], latents[1] = red, green
    return latents


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Made:
    """A previewer and what it sent."""

    def __init__(self, interval: float, latent_format: LatentFormat | None = FORMAT) -> None:
        self.clock = Clock()
        self.sent: SimpleQueue[PreviewReady] = SimpleQueue()
        self.previewer = Previewer(self.sent.put, interval, self.clock)
        self.previewer.begin(latent_format)

    def offer(self, index: int, latents: Any) -> None:
        self.previewer.offer(index, latents)

    def next(self) -> PreviewReady:
        return self.sent.get(timeout=30)

    def silent(self) -> bool:
        try:
            self.sent.get(timeout=0.2)
        except Empty:
            return True
        return False


def test_colours_are_latents_times_factors_plus_bias() -> None:
    latents = plain(0.75, -0.5)
    latents[:, 0, 0] = (0.0, 1.0, 9.0)
    rgb = colours(latents, FORMAT)
    assert rgb.shape == (16, 16, 3)
    assert rgb[5, 5].tolist() == [191, 191, 191]
    assert rgb[0, 0].tolist() == [0, 0, 191]


def test_colours_out_of_range_are_clipped_and_nan_is_harmless() -> None:
    latents = plain(50.0, 50.0)
    assert colours(latents, FORMAT)[0, 0].tolist() == [255, 0, 191]
    latents[0, 0, 0] = np.nan
    assert colours(latents, FORMAT)[0, 1].tolist() == [255, 0, 191]


def test_another_number_of_channels_is_shown_in_greys() -> None:
    latents = np.zeros((4, 1, 2), np.float32)
    latents[:, 0, 1] = 3
    shown = colours(latents, FORMAT).astype(int)
    assert (np.ptp(shown, axis=2) == 0).all()
    assert shown[0, 1, 0] > shown[0, 0, 0]
    assert colours(np.full((4, 2, 2), np.nan, np.float32), FORMAT).shape == (2, 2, 3)


def test_latents_may_be_given_as_a_function_that_is_called_when_they_are_due() -> None:
    made = Made(0)
    made.offer(0, lambda: Latents(plain(1.0, 1.0)))
    assert made.next().image_index == 0


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [
        (16, 16, (128, 128)),
        (128, 128, (128, 128)),
        (8, 256, (256, 8)),
        (256, 8, (8, 256)),
        (512, 256, (128, 256)),
        (1, 300, (256, 1)),
        (24, 16, (85, 128)),
    ],
)
def test_a_preview_is_visible_and_small(height: int, width: int, size: tuple[int, int]) -> None:
    jpeg = encode_preview(plain(1.0, 1.0, height, width), FORMAT)
    image = Image.open(BytesIO(jpeg))
    assert (image.format, image.size) == ("JPEG", size)
    assert len(jpeg) < 10_000
    red, green, blue = np.asarray(image.convert("RGB")).reshape(-1, 3).mean(0)
    assert red > 245
    assert green < 10
    assert abs(blue - 191) < 5


def test_at_most_one_preview_per_interval() -> None:
    made = Made(0.15)
    made.offer(0, Latents(plain(0, 0)))
    assert made.next().image_index == 0
    made.clock.now += 0.1
    made.offer(0, Latents(plain(0, 0)))
    assert made.silent()
    made.clock.now += 0.06
    made.offer(0, Latents(plain(0, 0)))
    assert made.next().image_index == 0


def test_interval_zero_makes_one_after_every_step() -> None:
    made = Made(0)
    for _ in range(3):
        made.offer(2, Latents(plain(0, 0)))
        assert made.next().image_index == 2


@pytest.mark.parametrize(
    ("interval", "latent_format", "latents"),
    [(-1, FORMAT, plain(0, 0)), (0, None, plain(0, 0)), (0, FORMAT, None)],
)
def test_no_preview_without_interval_format_or_latents(
    interval: float, latent_format: LatentFormat | None, latents: npt.NDArray[np.float32] | None
) -> None:
    made = Made(interval, latent_format)
    made.offer(0, None if latents is None else Latents(latents))
    assert made.silent()


def test_the_latents_may_change_after_the_offer() -> None:
    array = plain(1.0, 1.0)
    made = Made(0)
    made.offer(0, Latents(array))
    array[:] = -1
    red, _, _ = np.asarray(Image.open(BytesIO(made.next().jpeg))).reshape(-1, 3).mean(0)
    assert red > 245


@pytest.mark.parametrize("broken", [Latents(np.zeros((3, 2, 2, 2), np.float32)), "no tensor"])
def test_an_error_ends_the_previews_of_this_job_only_and_is_logged_once(
    broken: object, caplog: pytest.LogCaptureFixture
) -> None:
    made = Made(0)
    for _ in range(3):
        made.offer(0, broken)
        assert made.silent()
    made.offer(0, Latents(plain(0, 0)))
    assert made.silent()
    assert [record.message for record in caplog.records] == ["No more previews for this job"]
    made.previewer.begin(FORMAT)
    made.offer(1, Latents(plain(0, 0)))
    assert made.next().image_index == 1


def test_no_preview_comes_after_its_image_ended() -> None:
    class Slow(Latents):
        """Ends the image while its preview is being made."""

        end: Callable[[], None]

        def to(self, device: str, *, copy: bool) -> Latents:
            return self

        def numpy(self) -> npt.NDArray[np.float32]:
            self.end()
            return super().numpy()

    made = Made(0)
    latents = Slow(plain(0, 0))
    latents.end = made.previewer.end_image
    made.offer(0, latents)
    assert made.silent()
    made.offer(1, Latents(plain(0, 0)))
    assert made.next().image_index == 1
