"""Imports of large libraries, while the garbage collector rests."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Collect no garbage while modules are imported.

    All that an import makes stays. torch and diffusers make half a million objects, and to look
    through them again and again takes a sixth of the time until a model is loaded.
    """
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_collecting:
            gc.enable()
