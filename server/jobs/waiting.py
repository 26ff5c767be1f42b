"""The jobs that wait, in the order in which they run, and what their watchers see of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from server.jobs.feed import JobFeed
from server.jobs.progress import snapshot_of
from server.records import ImageRecord, Job
from server.snapshots import JobSnapshot


class Waiting:
    """Waiting jobs, the next to run first. Lives on the event loop."""

    def __init__(self, feed: JobFeed) -> None:
        """`feed` is told every change."""
        self._feed = feed
        self._jobs: dict[str, Job] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._jobs

    def __iter__(self) -> Iterator[Job]:
        return iter(list(self._jobs.values()))

    def of(self, model: str) -> list[Job]:
        """The jobs of a model."""
        return [job for job in self if job.model == model]

    def add(self, job: Job, images: Iterable[ImageRecord] = (), **values: Any) -> JobSnapshot:
        """Put a job last; its snapshot, with `values` besides."""
        self._jobs[job.id] = job
        shown = snapshot_of(job, images)
        place = len(self._jobs)
        shown = replace(shown, seq=job.seq + 1, queue_position=place, **values)
        self._feed.publish(shown)
        return shown

    def put_back(self, job: Job) -> None:
        """Put a job where it was before it ran: jobs have the order of their submission."""
        self._jobs[job.id] = job
        self._jobs = dict(sorted(self._jobs.items(), key=lambda item: item[1].number))
        self._publish_positions()

    def take(self, job_id: str) -> Job | None:
        """Remove a job; None when it does not wait."""
        job = self._jobs.pop(job_id, None)
        if job is not None:
            self._publish_positions()
        return job

    def take_first(self, is_ready: Callable[[Job], bool]) -> Job | None:
        """Remove the first job that is ready, if there is one."""
        job = next((job for job in self if is_ready(job)), None)
        return None if job is None else self.take(job.id)

    def show(self, job: Job, **values: Any) -> None:
        """Publish a job with changed values."""
        current = self._feed.current(job.id) or snapshot_of(job)
        self._feed.publish(replace(current, seq=current.seq + 1, **values))

    def _publish_positions(self) -> None:
        """Tell the jobs their positions, 1 for the next to run, where they changed."""
        for position, job in enumerate(self, start=1):
            current = self._feed.current(job.id)
            if current is None or current.queue_position != position:
                self.show(job, queue_position=position)
