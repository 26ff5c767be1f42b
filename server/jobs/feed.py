"""The newest snapshot of every live job, and those who watch.

A subscriber that is not ready to read loses intermediate snapshots, never a change of status: it
delays nobody and holds at most one snapshot per status of each job.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from itertools import chain

from server.snapshots import JobSnapshot

#: Jobs whose unread snapshots one subscriber may hold; beyond, the one that waits longest is
#: dropped: only a reader that has stood still for that many jobs misses an end.
MAX_PENDING_JOBS = 2000


class Subscription:
    """One watcher's unread snapshots. Iterate over it; it ends when `close` is called, after what
    is unread, or for a single job after its terminal snapshot."""

    def __init__(self, *, one_job: bool) -> None:
        self._one_job = one_job
        self._unread: dict[str, list[JobSnapshot]] = {}
        self._ready = asyncio.Event()
        self._closed = False

    def offer(self, snapshot: JobSnapshot) -> None:
        """Take note of a newer snapshot; it replaces an unread one of the same status."""
        unread = self._unread.setdefault(snapshot.job_id, [])
        if unread and unread[-1].status == snapshot.status:
            unread.pop()
        unread.append(snapshot)
        if len(self._unread) > MAX_PENDING_JOBS:
            del self._unread[next(iter(self._unread))]
        self._ready.set()

    def close(self) -> None:
        """End the iteration after what is unread."""
        self._closed = True
        self._ready.set()

    async def __aiter__(self) -> AsyncIterator[JobSnapshot]:
        while True:
            while self._unread:
                snapshot = self._take()
                yield snapshot
                if self._one_job and snapshot.status.ended:
                    return
            if self._closed:
                return
            self._ready.clear()
            await self._ready.wait()

    def _take(self) -> JobSnapshot:
        job_id, unread = next(iter(self._unread.items()))
        snapshot = unread.pop(0)
        if not unread:
            del self._unread[job_id]
        return snapshot


class JobFeed:
    """Publishes snapshots of live jobs. Lives on the event loop."""

    def __init__(self) -> None:
        self._current: dict[str, JobSnapshot] = {}
        self._of_all: set[Subscription] = set()
        self._of_job: defaultdict[str, set[Subscription]] = defaultdict(set)
        self._closed = False

    def current(self, job_id: str) -> JobSnapshot | None:
        """The newest snapshot of a live job; None when the job is not live."""
        return self._current.get(job_id)

    def publish(self, snapshot: JobSnapshot) -> None:
        """Make this the job's newest snapshot. After a terminal one the job is not live."""
        if snapshot.status.ended:
            self._current.pop(snapshot.job_id, None)
        else:
            self._current[snapshot.job_id] = snapshot
        for subscription in (*self._of_all, *self._of_job.get(snapshot.job_id, ())):
            subscription.offer(snapshot)

    @contextmanager
    def subscribe(self, job_id: str | None = None) -> Iterator[Subscription]:
        """Watch one job, or all: the current snapshots at once, then the newest."""
        subscription = Subscription(one_job=job_id is not None)
        for snapshot in self._current.values() if job_id is None else self._current_of(job_id):
            subscription.offer(snapshot)
        if self._closed:
            subscription.close()
        watchers = self._of_all if job_id is None else self._of_job[job_id]
        watchers.add(subscription)
        try:
            yield subscription
        finally:
            watchers.discard(subscription)
            if job_id is not None and not self._of_job.get(job_id):
                self._of_job.pop(job_id, None)

    def close(self) -> None:
        """End every subscription, those to come too."""
        self._closed = True
        for subscription in chain(self._of_all, *self._of_job.values()):
            subscription.close()

    def _current_of(self, job_id: str) -> tuple[JobSnapshot, ...]:
        snapshot = self._current.get(job_id)
        return () if snapshot is None else (snapshot,)


class Bell:
    """Wakes everyone who waits for something new. Lives on the event loop."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.closed = False

    def ring(self) -> None:
        """Wake all who wait; those who come later wait for the next ring."""
        self._event.set()
        self._event = asyncio.Event()

    def close(self) -> None:
        """Wake all for the last time."""
        self.closed = True
        self._event.set()

    def waiter(self) -> asyncio.Event:
        """What to wait for. Take it before looking, or the ring between is missed."""
        return self._event
