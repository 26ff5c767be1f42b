"""From a worker's messages to the snapshots of one attempt; pure but for the clock it is given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from server.records import ImageRecord, Job, JobStatus, image_object, iso
from server.snapshots import (
    ImageReady,
    JobSnapshot,
    PhaseChanged,
    PreviewReady,
    StepDone,
    TaskMessage,
)


def snapshot_of(job: Job, images: Iterable[ImageRecord] = ()) -> JobSnapshot:
    """The snapshot of a job at rest: queued, just dispatched, or ended."""
    error = None
    if job.error_code is not None:
        error = {"code": job.error_code, "message": job.error_message or ""}
    done = len(job.images_done) / job.num_images
    return JobSnapshot(
        job_id=job.id,
        attempt=job.attempt,
        seq=job.seq,
        status=job.status,
        model=job.model,
        kind=job.kind,
        num_images=job.num_images,
        created_at=iso(job.created_at) or "",
        phase="preparing" if job.status is JobStatus.PROCESSING else None,
        progress=1.0 if job.status is JobStatus.COMPLETED else done,
        images=tuple(image_object(image) for image in images),
        error=error,
        started_at=iso(job.started_at),
        finished_at=iso(job.finished_at),
        warnings=job.warnings,
    )


@dataclass(frozen=True, slots=True)
class _Pace:
    """How fast the attempt goes: steps done since the first one, and when that was."""

    since: float
    steps: int = 0

    def eta(self, now: float, remaining: float) -> float | None:
        if self.steps == 0:
            return None
        return round((now - self.since) / self.steps * remaining, 1)


class Progress:
    """One attempt as it goes on. `current` is its newest snapshot."""

    def __init__(self, job: Job, images: Iterable[ImageRecord]) -> None:
        self.current = snapshot_of(job, images)
        self._images_made = len(job.images_done)
        self._pace: _Pace | None = None

    def advance(self, message: TaskMessage, now: float) -> JobSnapshot | None:
        """Take a message into account; None when it shows nothing new.

        Args:
            message: what the worker said.
            now: a monotonic clock's reading in seconds.
        """
        match message:
            case PhaseChanged(phase, image_index):
                return self._phase(phase, image_index)
            case StepDone(image_index, step, total_steps):
                return self._step(image_index, step, total_steps, now)
            case PreviewReady(image_index, jpeg):
                if image_index != self.current.image_index:
                    return None
                return self.change(preview=jpeg)
            case ImageReady():
                self._images_made += 1
                return None
            case _:
                return None

    def image(self, record: ImageRecord) -> JobSnapshot:
        """An image of the job stands in the gallery."""
        return self.change(images=(*self.current.images, image_object(record)))

    def change(self, **values: Any) -> JobSnapshot:
        """The next revision."""
        self.current = replace(self.current, seq=self.current.seq + 1, **values)
        return self.current

    def _phase(self, phase: str, image_index: int | None) -> JobSnapshot:
        if image_index is None or image_index == self.current.image_index:
            return self.change(phase=phase)
        # A preview and steps of the image before would be taken for this one's.
        return self.change(
            phase=phase, image_index=image_index, step=None, total_steps=None, preview=None
        )

    def _step(self, image_index: int, step: int, total: int, now: float) -> JobSnapshot:
        if self._pace is None:
            self._pace = _Pace(now)
        else:
            self._pace = replace(self._pace, steps=self._pace.steps + self._new_steps(step))
        num_images = self.current.num_images
        done = min(1.0, (self._images_made + step / total) / num_images)
        remaining = max(0.0, (num_images - self._images_made) * total - step)
        return self.change(
            image_index=image_index,
            step=step,
            total_steps=total,
            progress=max(self.current.progress, done),
            eta_seconds=self._pace.eta(now, remaining),
        )

    def _new_steps(self, step: int) -> int:
        """Steps since the last one heard of: the worker skips some when it is fast."""
        before = self.current.step
        return step - before if before is not None and step > before else step
