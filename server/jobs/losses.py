"""What becomes of a job whose worker ended."""

from __future__ import annotations

import asyncio
import logging

from server.errors import WorkerLost, WorkerLostTooOften, WorkerUnavailable
from server.jobs.attempt import Attempt, Outcome
from server.records import JobStatus

log = logging.getLogger(__name__)

#: A job that has lost this many workers after they started it fails.
MAX_LOSSES = 3

#: A worker that ended this many times in a row before it took a job fails that job.
MAX_FALSE_STARTS = 3

#: Longest pause in seconds before a worker is started again.
MAX_PAUSE = 30.0


class Losses:
    """Puts jobs back that are not at fault, and fails those that seem to be."""

    def __init__(self) -> None:
        self._false_starts = 0

    def none(self) -> None:
        """A worker has taken a job and told its end."""
        self._false_starts = 0

    async def verdict(self, attempt: Attempt, lost: WorkerLost) -> Outcome:
        """How an attempt ends that lost its worker."""
        if attempt.cancelled:
            return Outcome(JobStatus.CANCELLED)
        log.warning("job %s lost its worker: %s", attempt.job.id, lost)
        if not lost.started:
            return await self._false_start(lost)
        self._false_starts = 0
        if attempt.job.losses + 1 < MAX_LOSSES:
            return Outcome(JobStatus.QUEUED, lost=True)
        text = f"{WorkerLostTooOften.title}. {lost.detail}".strip()
        return Outcome(JobStatus.FAILED, (WorkerLostTooOften.code, text))

    async def _false_start(self, lost: WorkerLost) -> Outcome:
        """The worker ended before it took the job: that is not the job's fault, at first."""
        self._false_starts += 1
        if self._false_starts < MAX_FALSE_STARTS:
            await asyncio.sleep(min(2.0 ** (self._false_starts - 1), MAX_PAUSE))
            return Outcome(JobStatus.QUEUED)
        self._false_starts = 0
        text = f"{lost.message} `darkroom doctor` looks for the cause. {lost.detail}".strip()
        return Outcome(JobStatus.FAILED, (WorkerUnavailable.code, text))
