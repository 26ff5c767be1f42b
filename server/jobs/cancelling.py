"""A client's wish that a job ends now."""

from __future__ import annotations

import asyncio
import contextlib

from server.config import Settings
from server.errors import JobAlreadyEnded
from server.jobs.manager import JobManager
from server.jobs.store import JobStore
from server.jobs.views import JobViews
from server.records import JobStatus
from server.snapshots import JobSnapshot

#: Seconds that a cancel waits for the running step to end.
CANCEL_WAIT = 5.0


async def cancel(manager: JobManager, views: JobViews, job_id: str) -> JobSnapshot:
    """See `GenerationService.cancel`."""
    with manager.feed.subscribe(job_id) as snapshots:
        if not await manager.cancel(job_id):
            raise _ended((await views.job(job_id))[1])
        # When the running step is a long one, the answer shows the job as it is.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CANCEL_WAIT):
                async for snapshot in snapshots:
                    if snapshot.status is JobStatus.CANCELLED:
                        return snapshot
                    if snapshot.status.ended:  # it was quicker
                        raise _ended(snapshot)
    return (await views.job(job_id))[1]


async def leave(manager: JobManager, store: JobStore, job_id: str, settings: Settings) -> None:
    """See `GenerationService.leave`."""
    if not (manager.waits(job_id) or settings.cancel_on_disconnect):
        return
    # First, since whoever comes back with the same Idempotency-Key wants no cancelled job.
    await asyncio.to_thread(store.forget_key, job_id)
    if manager.waits(job_id) or settings.cancel_on_disconnect:  # it may have begun
        await manager.cancel(job_id)


def _ended(snapshot: JobSnapshot) -> JobAlreadyEnded:
    return JobAlreadyEnded(f"The job {snapshot.job_id} is {snapshot.status.value} already.")
