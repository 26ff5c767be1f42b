"""Requests that wait for their job's end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from starlette.requests import Request

from server.errors import ShuttingDown
from server.http.wait_errors import ClientGone, GenerationTimeout
from server.service import GenerationService
from server.snapshots import JobSnapshot


async def finished(request: Request, service: GenerationService, job_id: str) -> JobSnapshot:
    """The terminal snapshot of a job, for a request whose body has been read.

    When the client goes away or the time is over, the job is dropped if it still waits; else it
    goes on, unless `cancel_on_disconnect` says otherwise, and is found in the gallery.

    Raises:
        ClientGone: the client did not wait.
        GenerationTimeout: `generation_timeout` is over.
        JobNotFound: it was deleted meanwhile.
        ShuttingDown: the server stops; the job goes on after its next start.
    """
    try:
        async with in_time(service, job_id):
            found = await _unless_gone(request, service.wait(job_id))
    except asyncio.CancelledError:
        # Nothing but the stop of the server cancels a request. It has a moment left to say so.
        await asyncio.shield(service.leave(job_id))
        raise ShuttingDown(f"The server stops; the job {job_id} goes on if it has begun.") from None
    if found is None:
        await service.leave(job_id)
        raise ClientGone(f"The client of job {job_id} went away.")
    return found


@contextlib.asynccontextmanager
async def in_time(service: GenerationService, job_id: str) -> AsyncIterator[None]:
    """Time to wait for a job in. When it is over, nobody waits for the job any more.

    Raises:
        GenerationTimeout: `generation_timeout` is over.
    """
    seconds = service.settings.generation_timeout
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        await service.leave(job_id)
        raise GenerationTimeout(
            f"The image is not ready after {seconds:g} seconds "
            f"(`generation_timeout`). The job {job_id} goes on if it has begun."
        ) from None


async def _unless_gone(
    request: Request, result: Coroutine[Any, Any, JobSnapshot]
) -> JobSnapshot | None:
    """What `result` gives; None when the client goes away before."""
    waiting = asyncio.create_task(result)
    gone = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait({waiting, gone}, return_when=asyncio.FIRST_COMPLETED)
        return await waiting if waiting.done() else None
    finally:
        for task in (waiting, gone):
            task.cancel()
        await asyncio.gather(waiting, gone, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
