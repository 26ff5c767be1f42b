"""What executors have in common: picking one task's messages out of a worker's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from server.errors import WorkerLost
from server.snapshots import TaskCancelled, TaskFailed, TaskFinished, TaskMessage, TaskStarted


async def until_end(
    messages: asyncio.Queue[TaskMessage | None], start: TaskStarted
) -> AsyncIterator[TaskMessage]:
    """A task's messages from `start` to its last; what an earlier task left over is passed by.

    Raises:
        WorkerLost: the worker ended (a None among the messages) before the task did.
    """
    started = False
    while True:
        message = await messages.get()
        if message is None:
            messages.put_nowait(None)  # for whoever asks next
            raise WorkerLost("The worker ended.", started=started)
        started = started or message == start
        if not started:
            continue
        yield message
        if isinstance(message, TaskFinished | TaskFailed | TaskCancelled):
            return
