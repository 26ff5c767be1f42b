"""Jobs and images as they are just before they are stored."""

from __future__ import annotations

from dataclasses import replace

from server.gallery import Gallery
from server.jobs.store import JobStore
from server.records import ImageRecord, Job, JobKind, JobStatus, image_filename, new_job_id, now

PNG, WEBP = b"png bytes", b"webp bytes"


def new_job(**values: object) -> Job:
    """A queued job, as it is just before it is stored."""
    moment = now()
    job = Job(
        id=new_job_id(moment),
        kind=JobKind.GENERATE,
        status=JobStatus.QUEUED,
        model="colours",
        family="colours",
        params={"prompt": "a red field", "steps": 4, "seed": 7, "num_images": 2},
        warnings=("a warning",),
        created_at=moment,
    )
    return replace(job, **values)  # type: ignore[arg-type]


def new_image(job: Job, index: int = 0, prompt: str = "a red field") -> ImageRecord:
    """Image `index` of a job, as it is just before it is stored."""
    return ImageRecord(
        filename=image_filename(job.id, index),
        job_id=job.id,
        index=index,
        model=job.model,
        family=job.family,
        width=64,
        height=32,
        recipe={"prompt": prompt, "seed": 7 + index, "steps": 4, "num_images": 1},
        created_at=now(),
        seconds=0.5,
        size=len(PNG),
    )


def add_image(
    store: JobStore, gallery: Gallery, prompt: str = "a red field", model: str = "colours"
) -> ImageRecord:
    """One image of a job of its own, in the gallery."""
    job = store.create(new_job(model=model))
    job = store.begin(job.id)
    record = new_image(job, prompt=prompt)
    row_id = gallery.add(record, job.attempt, PNG, WEBP)
    assert row_id is not None
    store.finish(job.id, JobStatus.COMPLETED, seq=3)
    return replace(record, id=row_id)
