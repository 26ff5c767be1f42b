"""Previews: the predicted clean latents of a running step as a small JPEG.

The generation thread only starts a copy; colours and JPEG are made on a thread of their own.
torch is not imported: what a family hands over brings its own methods.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from threading import Condition, Thread
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from server.plugins.types import LatentFormat
from server.snapshots import PreviewReady

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

#: A preview's longest edge in pixels lies between these.
SMALLEST, LARGEST = 128, 256


class Previewer:
    """Makes previews of one running image after another, at most one per interval, newest wins."""

    def __init__(
        self,
        send: Callable[[PreviewReady], None],
        interval: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            send: takes each preview, on the preview thread.
            interval: least seconds between two previews; negative: none are made.
        """
        self._send = send
        self._interval = interval
        self._clock = clock
        self._format: LatentFormat | None = None
        self._due = 0.0
        self._wake = Condition()
        self._waiting: _Copy | None = None
        self._image = 0
        self._thread: Thread | None = None

    def begin(self, latent_format: LatentFormat | None) -> None:
        """A job begins whose latents look as `latent_format` says; None: no previews."""
        self._format = latent_format if self._interval >= 0 else None
        self._due = self._clock()

    def offer(self, image_index: int, latents: Tensor | Callable[[], Tensor] | None) -> None:
        """Make a preview of `latents` (channels, height, width) if one is due.

        Called on the generation thread after each step: it never waits for the device, and what
        goes wrong ends the previews of this job, not the job.
        """
        if self._format is None or latents is None or self._clock() < self._due:
            return
        self._due = self._clock() + self._interval
        try:
            latents = latents() if callable(latents) else latents
            copy = _Copy.of(latents, self._format, image_index)
        except Exception as error:  # noqa: BLE001 - a plugin's object; a preview fails no job
            self._give_up(error)
            return
        with self._wake:
            self._waiting = copy
            self._image = image_index
            self._wake.notify()
        if self._thread is None:
            self._thread = Thread(target=self._work, name="preview", daemon=True)
            self._thread.start()

    def end_image(self) -> None:
        """The running image is done: no preview of it is sent from now on."""
        with self._wake:
            self._waiting = None
            self._image = -1

    def _work(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._waiting is not None)
                copy, self._waiting = self._waiting, None
            assert copy is not None
            try:
                jpeg = encode_preview(copy.array(), copy.format)
            except Exception as error:  # noqa: BLE001 - a preview fails no job
                self._give_up(error)
                continue
            with self._wake:  # so that none follows its image's end
                if copy.image_index == self._image:
                    self._send(PreviewReady(copy.image_index, jpeg))

    def _give_up(self, error: Exception) -> None:
        if self._format is not None:
            log.error("No more previews for this job", exc_info=error)
        self._format = None


@dataclass(frozen=True, slots=True)
class _Copy:
    """Latents on their way to the host. `arrived` is an event of the device, None on the CPU."""

    latents: Tensor
    arrived: Any
    format: LatentFormat
    image_index: int

    @classmethod
    def of(cls, latents: Tensor, latent_format: LatentFormat, image_index: int) -> _Copy:
        """Start a copy, in pinned memory where that lets the generation thread go on."""
        latents = latents.detach()
        if not latents.is_cuda:
            return cls(latents.to("cpu", copy=True), None, latent_format, image_index)
        import torch

        host = torch.empty(latents.shape, dtype=latents.dtype, pin_memory=True)
        host.copy_(latents, non_blocking=True)
        arrived: Any = torch.cuda.Event()  # type: ignore[no-untyped-call]
        arrived.record(torch.cuda.current_stream(latents.device))
        return cls(host, arrived, latent_format, image_index)

    def array(self) -> npt.NDArray[np.float32]:
        """The latents, as soon as they have arrived."""
        if self.arrived is not None:
            self.arrived.synchronize()
        array: npt.NDArray[np.float32] = self.latents.float().numpy()
        return array


def encode_preview(latents: npt.NDArray[np.float32], latent_format: LatentFormat) -> bytes:
    """The JPEG of `latents` (channels, height, width)."""
    image = Image.fromarray(colours(latents, latent_format))
    longest = max(image.size)
    scale = min(LARGEST, max(SMALLEST, longest)) / longest
    width, height = (max(1, round(side * scale)) for side in image.size)
    buffer = BytesIO()
    image.resize((width, height), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def colours(latents: npt.NDArray[np.float32], latent_format: LatentFormat) -> npt.NDArray[np.uint8]:
    """What `latents` (channels, height, width) look like: (height, width, 3), 0 … 255.

    Latents of another number of channels than the format has are shown as their mean, in greys.
    """
    if len(latents) == latent_format.channels:
        factors = np.asarray(latent_format.rgb_factors, np.float32)
        rgb = np.moveaxis(latents, 0, -1) @ factors + np.asarray(latent_format.rgb_bias, np.float32)
    else:
        mean = latents.mean(axis=0)
        rgb = np.repeat((mean / (2 * mean.std() + 1e-6))[..., None], 3, axis=2)
    levels = np.nan_to_num(rgb * 127.5 + 127.5).clip(0, 255)
    rounded: npt.NDArray[np.uint8] = levels.round().astype(np.uint8)
    return rounded
