"""How far a job is, in this API's words."""

from __future__ import annotations

from typing import Any

from server.records import Job, JobStatus
from server.snapshots import JobSnapshot

#: Its words for the states of a job.
STATUS = {
    JobStatus.QUEUED: "pending",
    JobStatus.PROCESSING: "processing",
    JobStatus.COMPLETED: "completed",
    JobStatus.FAILED: "failed",
    JobStatus.CANCELLED: "failed",
}

#: Its flags for what a running job does.
_PHASES = {
    "preparing": "preparing",
    "loading": "loading_model",
    "generating": "generating",
    "saving": "saving",
}


def progress(job: Job, snapshot: JobSnapshot) -> dict[str, Any]:
    """The flags, and the step of the current image; that of an ended job is its last."""
    word = STATUS[snapshot.status]
    flag = _PHASES.get(snapshot.phase or "") if word == "processing" else word
    step, total = snapshot.step, snapshot.total_steps
    if flag == "generating" and step is None:
        step, total = 0, job.params.get("steps")
    elif flag == "completed":
        step = total = job.params.get("steps")
    return flags(flag, step, total)


def flags(flag: str | None, step: int | None, total: int | None) -> dict[str, Any]:
    """`flag` is the one that is true, `step` of `total` that of the current image."""
    names = (*_PHASES.values(), "completed", "failed")
    return {**{name: name == flag for name in names}, "step": step, "total_steps": total}


def message(snapshot: JobSnapshot, shown: dict[str, Any]) -> str:
    """A sentence for people. `shown`: what `progress` tells of the job."""
    match snapshot.status:
        case JobStatus.QUEUED:
            return _waiting(snapshot)
        case JobStatus.PROCESSING:
            return _running(snapshot, shown)
        case JobStatus.COMPLETED:
            return generated(snapshot.num_images)
    return failure(snapshot)


def generated(num_images: int) -> str:
    """The sentence about a job that has all its images."""
    return f"Generated {num_images} image(s)"


def failure(snapshot: JobSnapshot) -> str:
    """Why a job brought less than was asked for."""
    if snapshot.status is JobStatus.CANCELLED:
        return "The job was cancelled"
    return (snapshot.error or {}).get("message") or "The job failed"


def _waiting(snapshot: JobSnapshot) -> str:
    if snapshot.phase == "downloading":
        return f"Downloading the model{_share(snapshot.download or {})}..."
    place = snapshot.queue_position
    return "Job is queued" if place is None else f"Job is queued at position {place}"


def _share(download: dict[str, Any]) -> str:
    total = download.get("total_bytes")
    return f" ({100 * download['bytes'] // total} %)" if total else ""


def _running(snapshot: JobSnapshot, shown: dict[str, Any]) -> str:
    image = f"image {(snapshot.image_index or 0) + 1} of {snapshot.num_images}..."
    match snapshot.phase:
        case "loading":
            return "Loading the model..."
        case "generating":
            return f"Generating {image} Step {shown['step']}/{shown['total_steps']}"
        case "saving":
            return f"Saving {image}"
    return "Preparing..."
