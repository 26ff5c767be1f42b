"""Jobs that the database has as running and nobody runs: what an unforeseen end leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from server.errors import JobNotFound
from server.jobs.persisting import persist
from server.jobs.store import JobStore
from server.jobs.waiting import Waiting

log = logging.getLogger(__name__)


async def requeue(store: JobStore, waiting: Waiting, is_held: Callable[[str], bool]) -> int:
    """Let stalled jobs wait again, each in its old place.

    Args:
        store: the table of jobs.
        waiting: where they are to wait.
        is_held: whether the queue has a job, waiting, running or just ending.

    Returns:
        How many there were.
    """
    count = 0
    for job in await asyncio.to_thread(store.processing):
        if is_held(job.id):
            continue
        with contextlib.suppress(JobNotFound):  # it has ended since it was looked for
            waiting.put_back(await persist(store.put_back, job.id))
            log.warning("job %s had stalled and is queued again", job.id)
            count += 1
    return count
