"""Changes of jobs' lives reach the disk, however long it is full."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from server.errors import DatabaseUnavailable

log = logging.getLogger(__name__)

#: Longest pause in seconds between two tries.
MAX_PAUSE = 30.0

P = ParamSpec("P")
T = TypeVar("T")


async def persist(change: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of `change`, called on a thread, again and again while the database cannot be
    written."""
    pause = 1.0
    while True:
        try:
            return await asyncio.to_thread(change, *args, **kwargs)
        except DatabaseUnavailable as error:
            log.warning("%s Trying again in %.0f s.", error, pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, MAX_PAUSE)
