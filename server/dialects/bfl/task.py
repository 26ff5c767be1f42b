"""A job as this API's clients see it, whatever the vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from server.records import ImageRecord, Job, JobKind, JobStatus
from server.snapshots import JobSnapshot

#: What a cancelled job fails with.
CANCELLED = {"code": "cancelled", "message": "The task was cancelled."}


@dataclass(frozen=True, slots=True)
class Task:
    """What is known of a task; absent things are None.

    `error` is `{code, message}`. `notes` are sentences
    about what was changed of the request. `progress` is 0 to 1.
    """

    id: str
    status: JobStatus
    output_format: str = "png"
    prompt: str = ""
    seed: int | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    progress: float = 1.0
    phase: str | None = None
    queue_position: int | None = None
    step: int | None = None
    total_steps: int | None = None
    error: Mapping[str, str] | None = None
    notes: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """The name of its image under `/outputs/`."""
        return f"flux_{self.id}.{self.output_format}"


def file_name(job_id: str, job: Job | None) -> str:
    """The name under `/outputs/` of the image of a job; `job` is it, if it came through this API
    and is not forgotten."""
    return f"flux_{job_id}.{job.origin.request.get('output_format', 'png') if job else 'png'}"


def of_job(job: Job, snapshot: JobSnapshot) -> Task | None:
    """A job with its newest snapshot as a task; None where there is nothing to show: it makes no
    images, or its image was deleted."""
    has_image = any(image["index"] == 0 for image in snapshot.images)
    if job.kind is JobKind.DOWNLOAD or (snapshot.status is JobStatus.COMPLETED and not has_image):
        return None
    kept = job.origin.request
    is_cancelled = snapshot.status is JobStatus.CANCELLED
    return Task(
        id=job.id,
        status=snapshot.status,
        output_format=kept.get("output_format", "png"),
        prompt=job.params.get("prompt", ""),
        seed=_seed(job.params),
        started_at=job.started_at,
        finished_at=job.finished_at,
        progress=snapshot.progress,
        phase=snapshot.phase,
        queue_position=snapshot.queue_position,
        step=snapshot.step,
        total_steps=snapshot.total_steps,
        error=CANCELLED if is_cancelled else snapshot.error,
        notes=(*kept.get("notes", ()), *snapshot.warnings),
    )


def of_image(image: ImageRecord, output_format: str = "png") -> Task:
    """The task of an image whose job is forgotten, and with it the format that was asked for."""
    return Task(
        id=image.job_id,
        status=JobStatus.COMPLETED,
        output_format=output_format,
        prompt=image.recipe.get("prompt", ""),
        seed=_seed(image.recipe),
        finished_at=image.created_at,
    )


def _seed(recipe: Mapping[str, Any]) -> int | None:
    found = recipe.get("seed")
    return found if isinstance(found, int) else None
