"""From a worker's messages to the snapshots of one attempt; pure but for the clock it is given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from server.records import ImageRecord, Job, JobStatus, image_object, iso
from server.snapshots import (
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
    done = max(job.progress, len(job.images_done) / max(1, job.num_images))
    return JobSnapshot(
        job_id=job.id,
        attempt=job.attempt,
        seq=job.seq,
        status=job.status,
        model=job.model or None,
        kind=job.kind.value,
        num_images=job.num_images,
        created_at=iso(job.created_at) or "",
        phase="preparing" if job.status is JobStatus.PROCESSING else None,
        progress=1.0 if job.status is JobStatus.COMPLETED else done,
        images=tuple(image_object(image) for image in images),
        loras=job.loras,
        lora=job.lora,
        error=error,
        started_at=iso(job.started_at),
        finished_at=iso(job.finished_at),
        warnings=job.warnings,
    )


class Progress:
    """One attempt as it goes on. `current` is its newest snapshot."""

    def __init__(self, job: Job, images: Iterable[ImageRecord]) -> None:
        self.current = snapshot_of(job, images)
        self._done_before = len(job.images_done)
        self._indices = job.missing
        self._first: tuple[float, int] | None = None

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
        place = self._indices.index(image_index)
        done = place * total + step
        remaining = len(self._indices) * total - done
        progress = (self._done_before + done / total) / self.current.num_images
        return self.change(
            image_index=image_index,
            step=step,
            total_steps=total,
            progress=max(self.current.progress, progress),
            eta_seconds=self._eta(done, remaining, now),
        )

    def _eta(self, done: int, remaining: int, now: float) -> float | None:
        """Seconds left at the pace since the first step, which is slower than the others."""
        if self._first is None:
            self._first = (now, done)
        since, first = self._first
        return round((now - since) / (done - first) * remaining, 1) if done > first else None
