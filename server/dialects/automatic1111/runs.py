"""Requests whose images are being made, by who sent them."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from server.errors import JobAlreadyEnded, JobNotFound, ShuttingDown
from server.service import GenerationService


@dataclass
class Run:
    """A request at work: its job, and what it is for (`txt2img`, say)."""

    caller: str
    job_id: str
    task: str
    interrupted: bool = False


class Runs:
    """The runs of all callers, the oldest first. A run ends with its job, also when its client does
    not wait for that: such a client may still ask to interrupt it. Lives on the event loop."""

    def __init__(self, service: GenerationService) -> None:
        self._service = service
        self._runs: dict[str, Run] = {}
        self._watchers: set[asyncio.Task[None]] = set()

    def begin(self, caller: str, job_id: str, task: str) -> None:
        """Note that a caller's request became a job."""
        self._runs[job_id] = Run(caller, job_id, task)
        watcher = asyncio.create_task(self._forget_ended(job_id))
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)

    def current(self, caller: str) -> Run | None:
        """The caller's oldest run that is at work, else the oldest of those that wait."""
        own = [run for run in self._runs.values() if run.caller == caller]
        # The oldest of all may wait for its model's download, and others pass it.
        begun = (run for run in own if not self._service.manager.waits(run.job_id))
        return next(begun, own[0] if own else None)

    async def interrupt(self, caller: str) -> None:
        """Stop the caller's current run; nothing happens where there is none."""
        run = self.current(caller)
        if run is not None:
            run.interrupted = True
            with contextlib.suppress(JobAlreadyEnded, JobNotFound):
                await self._service.cancel(run.job_id)

    async def _forget_ended(self, job_id: str) -> None:
        try:
            with contextlib.suppress(JobNotFound, ShuttingDown):
                await self._service.wait(job_id)
        finally:
            del self._runs[job_id]
