"""Between this API's words and ours; pure functions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from server.dialects.cyberimage import asked
from server.dialects.cyberimage.asked import OURS, Asked
from server.dialects.cyberimage.progress import (
    STATUS,
    failure,
    flags,
    generated,
    message,
    progress,
)
from server.dialects.cyberimage.protocol import GenerateRequest, Settings
from server.enrichment.enricher import Enriched
from server.errors import ImageNotFound
from server.fitting import Fitted, fit
from server.jobs.manager import QueueState
from server.jobs.statistics import Statistics
from server.records import JOB_ID, Job, JobStatus, iso, submitted_at
from server.snapshots import JobSnapshot
from server.wording import shortened

_IMAGE_ID = re.compile(rf"img_({JOB_ID.pattern}_[0-9]{{1,4}})")

_THEIRS = {ours: theirs for theirs, ours in OURS.items()}


# --- requests ------------------------------------------------------------------------------


def parameters(request: GenerateRequest, schema: Mapping[str, Any]) -> Fitted:
    """A request as its model takes it.

    Args:
        request: the request.
        schema: the JSON Schema of requests to the model.
    """
    wanted = plain_parameters(request)
    if "negative_prompt" not in schema["properties"]:
        del wanted["negative_prompt"]  # which this API promises to ignore without a word
    fitted = fit(schema, wanted)
    return fitted.in_words(_THEIRS)


def plain_parameters(request: GenerateRequest) -> dict[str, Any]:
    """A request by our words, whatever its model; None stands for what was not given."""
    settings = request.settings or Settings()
    return {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        **{ours: getattr(settings, theirs) for theirs, ours in OURS.items()},
        "seed": None if settings.seed == -1 else settings.seed,
        "num_images": settings.num_images,
    }


def filename(image_id: str) -> str:
    """The file of an image.

    Raises:
        ImageNotFound: no image has this id.
    """
    found = _IMAGE_ID.fullmatch(image_id)
    if found is None:
        raise ImageNotFound(f"There is no image {shortened(image_id)!r}.")
    return f"{found[1]}.png"


# --- answers -------------------------------------------------------------------------------


def accepted(snapshot: JobSnapshot, notes: Sequence[str]) -> dict[str, Any]:
    """The answer to a request that became a job. `notes`: what was changed to fit the model."""
    num_images = snapshot.num_images
    return {
        "job_id": snapshot.job_id,
        "status": "pending",
        "num_images": num_images,
        "message": f"Image generation job submitted successfully for {num_images} image(s)",
        **({"warnings": list(notes)} if notes else {}),
    }


def job_state(job: Job, snapshot: JobSnapshot, model_id: str) -> dict[str, Any]:
    """A job as it is now. `model_id`: what this API calls its model."""
    wish = asked.of_job(job, model_id)
    shown, word = progress(job, snapshot), STATUS[snapshot.status]
    return {
        "id": job.id,
        "status": word,
        **_shown(wish),
        "created_at": second(snapshot.created_at),
        "started_at": second(snapshot.started_at),
        "completed_at": second(snapshot.finished_at),
        "message": message(snapshot, shown),
        "progress": shown,
        "images": [
            _job_image(image, asked.of_image(image, job, model_id), job.num_images)
            for image in snapshot.images
        ],
        **({"error_message": failure(snapshot)} if word == "failed" else {}),
    }


def forgotten_state(images: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A job that is forgotten, as far as its images tell; their model by its id.

    Args:
        images: them, at least one, as our own API shows them.
    """
    first, last = images[0], images[-1]
    wish = asked.of_image(first, None, first["model"])
    return {
        "id": first["job_id"],
        "status": STATUS[JobStatus.COMPLETED],
        **_shown(wish),
        "created_at": second(iso(submitted_at(first["job_id"]))),
        "started_at": None,
        "completed_at": second(last["created_at"]),
        "message": generated(len(images)),
        "progress": flags(STATUS[JobStatus.COMPLETED], first.get("steps"), first.get("steps")),
        "images": [_job_image(image, wish, last["index"] + 1) for image in images],
    }


def metadata(image: Mapping[str, Any], job: Job | None, model_id: str) -> dict[str, Any]:
    """How an image was made, and the seconds that took.

    Args:
        image: it, as our own API shows it.
        job: the job that made it, unless that is forgotten.
        model_id: what this API calls its model.
    """
    wish = asked.of_image(image, job, model_id)
    total = image["index"] + 1 if job is None else job.num_images
    return {**_made(image, wish, total), "generation_time": image["seconds"]}


def gallery_image(image: Mapping[str, Any], job: Job | None, model_id: str) -> dict[str, Any]:
    """An image in the gallery; the arguments are those of `metadata`."""
    wish = asked.of_image(image, job, model_id)
    return {
        "id": image_id(image),
        "model_id": model_id,
        "prompt": wish.prompt,
        "created_at": second(image["created_at"]),
        "settings": wish.settings,
    }


def queue(state: QueueState) -> dict[str, Any]:
    """The queue in numbers."""
    counts = {
        JobStatus.QUEUED: state.pending,
        JobStatus.PROCESSING: state.running,
        JobStatus.COMPLETED: state.completed,
        JobStatus.FAILED: state.failed,
        JobStatus.CANCELLED: state.cancelled,
    }
    return {**_counts(counts), "queue_size": state.pending}


def details(statistics: Statistics) -> dict[str, Any]:
    """What became of the newest jobs."""
    recent = _counts(statistics.all)
    ended = recent["completed"] + recent["failed"]
    return {
        "recent_24h": recent,
        "avg_processing_time_seconds": round(statistics.seconds or 0.0, 2),
        "models": {name: _counts(counts) for name, counts in sorted(statistics.models.items())},
        "failure_rate": round(100 * recent["failed"] / ended, 2) if ended else 0.0,
    }


def enriched(written: Enriched) -> dict[str, Any]:
    """A prompt that was written out."""
    return {
        "original_prompt": written.original_prompt,
        "enriched_prompt": written.enriched_prompt,
        "style": written.style,
        **({"warning": written.warning} if written.warning else {}),
    }


def image_id(image: Mapping[str, Any]) -> str:
    """What this API calls an image. Nobody guesses it: it is all that is needed to get the file."""
    return f"img_{str(image['filename']).removesuffix('.png')}"


def second(moment: str | None) -> str | None:
    """A moment to the second, as this API writes it."""
    return None if moment is None else f"{moment[:19]}Z"


def _shown(wish: Asked) -> dict[str, Any]:
    words = ("model_id", "prompt", "negative_prompt", "settings")
    return {word: getattr(wish, word) for word in words}


def _job_image(image: Mapping[str, Any], wish: Asked, total: int) -> dict[str, Any]:
    name, created = image_id(image), second(image["created_at"]) or ""
    return {
        "id": name,
        "file_path": f"{created[:10].replace('-', '/')}/{name}.png",
        "created_at": created,
        "metadata": _made(image, wish, total),
    }


def _made(image: Mapping[str, Any], wish: Asked, total: int) -> dict[str, Any]:
    return {
        "model_id": wish.model_id,
        "prompt": wish.prompt,
        "negative_prompt": image.get("negative_prompt") or None,
        "settings": wish.settings,
        "image_number": image["index"] + 1,
        "total_images": total,
    }


def _counts(counts: Mapping[JobStatus, int]) -> dict[str, int]:
    found = dict.fromkeys(("pending", "processing", "completed", "failed"), 0)
    for status, count in counts.items():
        found[STATUS[status]] += count
    return {**found, "total": sum(found.values())}
