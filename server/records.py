"""What the database remembers: jobs and images, as plain frozen records."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

#: `20260121_115610_abcd1234`: the UTC time of submission and 8 random hex digits.
JOB_ID = re.compile(r"\d{8}_\d{6}_[0-9a-f]{8}")


class JobStatus(StrEnum):
    """Where a job is in its life."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to the job."""
        return self in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)


class JobKind(StrEnum):
    """What a job does: make images, or bring a LoRA to this machine. Only jobs that make images
    take a slot, and their place in the queue."""

    GENERATE = "generate"
    DOWNLOAD = "download"


#: The name of our own API among those that jobs come through.
NATIVE = "native"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a job comes from.

    `dialect` is the API it came through and `client` the id of its caller. `model` is what the
    client called the model, None where it named none; `request` what that API needs of the request
    to answer about it later, JSON-compatible.
    """

    dialect: str = NATIVE
    client: str = ""
    model: str | None = None
    request: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """One accepted request.

    `number` orders the queue. `attempt` grows with every dispatch and fences late writers;
    `losses` counts workers that died on this job, `restarts` the servers in a row that did.
    `seq` is the last published revision's number within the attempt, known for ended jobs.
    `progress` is what the job had shown when it ended, 0–1.
    `images_done` are the indices whose image stood in the gallery at some time: a retry leaves
    them alone even when the user has deleted the image since.
    `folder` is where its images are stored when that is another folder than that of all images, as
    `server.storage.ImageFiles` takes it.
    A download has no model and no family ("" both); its parameters are `ref` and, once it is there,
    `lora`.
    """

    id: str
    kind: JobKind
    status: JobStatus
    model: str
    family: str
    params: dict[str, Any]
    warnings: tuple[str, ...]
    created_at: datetime
    origin: Origin = Origin()
    number: int = 0
    attempt: int = 0
    seq: int = 0
    losses: int = 0
    restarts: int = 0
    images_done: frozenset[int] = field(default_factory=frozenset)
    progress: float = 0.0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error_code: str | None = None
    error_message: str | None = None
    folder: str | None = None

    @property
    def num_images(self) -> int:
        """How many images were asked for; a download makes none."""
        return int(self.params.get("num_images", 0))

    @property
    def lora(self) -> str | None:
        """The id of the LoRA that a download has brought."""
        found = self.params.get("lora")
        return found if isinstance(found, str) else None

    @property
    def loras(self) -> tuple[dict[str, Any], ...]:
        """Its LoRAs, as its parameters have them."""
        found = self.params.get("loras")
        return tuple(found) if isinstance(found, list) else ()

    @property
    def missing(self) -> tuple[int, ...]:
        """The indices still to make."""
        return tuple(i for i in range(self.num_images) if i not in self.images_done)


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """One finished image. `recipe` holds its complete parameters, its own seed among them.

    `width` and `height` are in pixels, `seconds` is the time the image took, `size` its bytes.
    `folder` is where the file lies when that is another folder than that of all images, as
    `server.storage.ImageFiles` takes it.
    """

    filename: str
    job_id: str
    index: int
    model: str
    family: str
    width: int
    height: int
    recipe: dict[str, Any]
    created_at: datetime
    seconds: float
    size: int
    folder: str | None = None
    id: int = 0


def now() -> datetime:
    """The present, in UTC."""
    return datetime.now(UTC)


def iso(moment: datetime | None) -> str | None:
    """ISO 8601 with `Z` and milliseconds, as every answer writes time."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_job_id(moment: datetime) -> str:
    """A fresh job id for a job submitted at `moment`."""
    return f"{moment.astimezone(UTC):%Y%m%d_%H%M%S}_{secrets.token_hex(4)}"


def submitted_at(job_id: str) -> datetime:
    """When the job with this id was submitted, to the second; known also of forgotten jobs.

    Raises:
        ValueError: no job has such an id.
    """
    return datetime.strptime(job_id[:15], "%Y%m%d_%H%M%S").replace(tzinfo=UTC)


def image_filename(job_id: str, index: int) -> str:
    """The name under which image `index` of a job and its thumbnail are served."""
    return f"{job_id}_{index}.png"


def image_object(record: ImageRecord) -> dict[str, Any]:
    """The image as `/api/images`, the gallery stream and snapshots show it: its file, its URLs
    and its whole recipe. `width` and `height` are the file's."""
    return {
        **record.recipe,
        "id": record.id,
        "filename": record.filename,
        "url": f"/api/images/{record.filename}",
        "thumb_url": f"/api/thumbs/{record.filename}",
        "width": record.width,
        "height": record.height,
        "created_at": iso(record.created_at),
        "job_id": record.job_id,
        "index": record.index,
        "model": record.model,
        "seconds": record.seconds,
        "size": record.size,
    }
