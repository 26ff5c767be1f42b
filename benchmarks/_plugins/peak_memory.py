"""Writes down how much memory a worker has used when a job's images are made."""

import os
from collections.abc import Generator, Iterator
from pathlib import Path

from PIL import Image

from benchmarks._memory import peak
from darkroom import hookimpl

__version__ = "1"

#: Environment variables: the file to write, and the device.
FILE, DEVICE = "BENCHMARK_PEAK_FILE", "BENCHMARK_PEAK_DEVICE"


@hookimpl(wrapper=True)
def generate() -> Generator[None, Iterator[Image.Image], Iterator[Image.Image]]:
    """Measure when the last image exists."""
    images = yield
    return _measured(images)


def _measured(images: Iterator[Image.Image]) -> Iterator[Image.Image]:
    yield from images
    Path(os.environ[FILE]).write_text(str(peak(os.environ[DEVICE])))
