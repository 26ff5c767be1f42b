"""Imports of large libraries, and what is made for good, while the garbage collector rests."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

#: Young objects that take milliseconds to be looked through.
MANY = 10_000


@contextmanager
def uncollected() -> Iterator[None]:
    """Collect no garbage while modules are imported, and while what they are for is set up.

    All that comes of it stays. torch and diffusers make half a million objects, a server two
    hundred thousand; to look through them again and again takes a sixth of the time until a model
    is loaded, and of that until a server answers. Afterwards they count as old: as young ones the
    collector would look through all of them at once, and a second time soon.
    """
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_collecting:
            # The count of what somebody froze, which is to stay so, takes long where it is large.
            if gc.get_count()[0] > MANY and not gc.get_freeze_count():
                gc.freeze()
                gc.unfreeze()
            gc.enable()
