"""What clients see of jobs and of the pictures they bring: as they are, and as they become."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from server.errors import ShuttingDown
from server.gallery import Gallery
from server.jobs.feed import Bell, JobFeed
from server.jobs.progress import snapshot_of
from server.jobs.store import JobStore
from server.records import ImageRecord, Job, JobStatus
from server.snapshots import JobSnapshot

#: How many images the gallery stream reads from the database at a time.
REPLAY = 100


class JobViews:
    """Live jobs as the feed has them, all others as the database has them."""

    def __init__(self, store: JobStore, gallery: Gallery, feed: JobFeed, new_image: Bell) -> None:
        """`new_image` rings for every image in the gallery."""
        self._store = store
        self._gallery = gallery
        self._feed = feed
        self._new_image = new_image

    async def job(self, job_id: str) -> tuple[Job, JobSnapshot]:
        """A job with its newest snapshot.

        Raises:
            JobNotFound
        """
        job = await asyncio.to_thread(self._store.get, job_id)
        return job, await self.snapshot(job)

    async def snapshot(self, job: Job) -> JobSnapshot:
        """The newest snapshot of a job."""
        live = self._feed.current(job.id)
        if live is not None:
            return live
        images = await asyncio.to_thread(self._gallery.of_jobs, [job.id])
        return snapshot_of(job, images.get(job.id, ()))

    async def page(
        self, status: JobStatus | None, limit: int, cursor: str | None
    ) -> tuple[list[JobSnapshot], str | None]:
        """Jobs newest first, and the cursor of the next page or None."""
        found, next_cursor = await asyncio.to_thread(self._store.page, status, limit, cursor)
        ended = [job.id for job in found if job.status.ended]
        images = await asyncio.to_thread(self._gallery.of_jobs, ended)
        snapshots = [
            self._feed.current(job.id) or snapshot_of(job, images.get(job.id, ())) for job in found
        ]
        return snapshots, next_cursor

    async def watch(self, job_id: str) -> AsyncIterator[JobSnapshot]:
        """See `GenerationService.watch`."""
        if self._feed.current(job_id) is None:
            await asyncio.to_thread(self._store.get, job_id)
        return self._watch(job_id)

    async def watch_all(self) -> AsyncIterator[JobSnapshot]:
        """See `GenerationService.watch_jobs`."""
        with self._feed.subscribe() as snapshots:
            async for snapshot in snapshots:
                yield snapshot

    async def wait(self, job_id: str) -> JobSnapshot:
        """See `GenerationService.wait`."""
        async for snapshot in await self.watch(job_id):
            if snapshot.status.ended:
                return snapshot
        raise ShuttingDown("The server is stopping; the job goes on after its next start.")

    async def watch_images(self, after: int | None) -> AsyncIterator[ImageRecord]:
        """See `GenerationService.watch_images`."""
        newest = await asyncio.to_thread(self._gallery.newest_id)
        # An id from another data folder may lie in the future.
        return self._watch_images(newest if after is None else min(after, newest))

    async def _watch(self, job_id: str) -> AsyncIterator[JobSnapshot]:
        with self._feed.subscribe(job_id) as snapshots:
            if self._feed.current(job_id) is None:
                _, snapshot = await self.job(job_id)
                if snapshot.status.ended:
                    yield snapshot
                    return
            async for snapshot in snapshots:
                yield snapshot

    async def _watch_images(self, last: int) -> AsyncIterator[ImageRecord]:
        bell = self._new_image
        while True:
            waiter = bell.waiter()
            found = await asyncio.to_thread(self._gallery.after, last, REPLAY)
            for image in found:
                last = image.id
                yield image
            if bell.closed:
                return
            if not found:
                await waiter.wait()
