"""What a job looks like at one moment (`JobSnapshot`), and the words of the worker process.

Clients see snapshots and nothing else. The worker and its parent exchange the small types below;
`server.worker.wire` puts them into frames.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, TypedDict

from server.errors import JobFailure, all_errors
from server.records import JobStatus


@dataclass(frozen=True)
class JobSnapshot:
    """A whole job at one moment; absent things are None.

    `download` is `{bytes, total_bytes, bytes_per_second}` while the job's model is downloaded, or
    the LoRA that the job is to bring; `lora` is that one's id, once it is here. Such a job has no
    `model` and no `queue_position`.
    `progress` is 0–1 over the whole job and never falls within an attempt; `step` and
    `total_steps` are the current image's. `preview` is JPEG bytes of the predicted clean image.
    `images` are objects as `/api/images` shows them. `loras` are the job's LoRAs with their
    weights and, once they are applied, with how many of their modules were.
    """

    job_id: str
    attempt: int
    seq: int
    status: JobStatus
    model: str | None
    kind: str
    num_images: int
    created_at: str
    phase: str | None = None
    download: dict[str, Any] | None = None
    queue_position: int | None = None
    image_index: int | None = None
    step: int | None = None
    total_steps: int | None = None
    progress: float = 0.0
    preview: bytes | None = field(default=None, repr=False)
    images: tuple[dict[str, Any], ...] = ()
    loras: tuple[dict[str, Any], ...] = ()
    lora: str | None = None
    error: dict[str, str] | None = None
    eta_seconds: float | None = None
    started_at: str | None = None
    finished_at: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def revision(self) -> str:
        """`{attempt}.{seq}`, the event id on the job's stream."""
        return f"{self.attempt}.{self.seq}"

    @property
    def failure(self) -> JobFailure | None:
        """Why the job failed, as the kind of error that it failed with; None unless it did."""
        if self.status is not JobStatus.FAILED:
            return None
        told = self.error or {}
        kinds = {kind.code: kind for kind in all_errors(JobFailure)}
        found = kinds.get(told.get("code", ""), JobFailure)(told.get("message", ""))
        assert isinstance(found, JobFailure)
        return found

    def as_dict(self) -> dict[str, Any]:
        """The snapshot as clients receive it, the preview a data URI."""
        data = {item.name: getattr(self, item.name) for item in fields(self)}
        data["status"] = self.status.value
        data["images"] = list(self.images)
        data["loras"] = list(self.loras)
        data["warnings"] = list(self.warnings)
        if self.preview is not None:
            encoded = base64.b64encode(self.preview).decode("ascii")
            data["preview"] = f"data:image/jpeg;base64,{encoded}"
        return data

    @cached_property
    def json(self) -> str:
        """`as_dict` as JSON, encoded once however many clients watch."""
        return json.dumps(self.as_dict(), separators=(",", ":"))


# --- from the server to its worker ---------------------------------------------------------


class Weights(TypedDict):
    """Where a model's files lie on this machine: the `path` of its source, those of the parts that
    it takes from elsewhere, and the `config` folder that a single file needs."""

    path: str
    components: dict[str, str]
    config: str | None


@dataclass(frozen=True, slots=True)
class RunTask:
    """Run this task (`Task.to_wire`) as this attempt, with its model from `weights`."""

    task: dict[str, Any]
    attempt: int
    weights: Weights


@dataclass(frozen=True, slots=True)
class CancelTask:
    """Stop this job, if it is this attempt that runs."""

    job_id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class LoadModel:
    """Make this model resident when nothing runs."""

    model: str
    weights: Weights


@dataclass(frozen=True, slots=True)
class UnloadModel:
    """Free this model's memory when nothing runs."""

    model: str


Command = RunTask | CancelTask | LoadModel | UnloadModel


# --- from the worker to its server ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WorkerReady:
    """The worker has announced its plugins and takes commands."""

    pid: int
    device: str


@dataclass(frozen=True, slots=True)
class ModelState:
    """`model` is now `loading`, `loaded`, `in_ram`, `unloaded`, or `failed` with `message`.

    `bytes` is what its weights take in memory.
    """

    model: str
    state: str
    message: str = ""
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """Bytes of the device's memory: `free` is what the worker could still take. None where nobody
    knows."""

    free: int | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class TaskStarted:
    """The worker took the task; from here on its death counts as the job's loss."""

    job_id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class PhaseChanged:
    """The running job is now `preparing`, `loading`, `generating` or `saving`."""

    phase: str
    image_index: int | None = None


@dataclass(frozen=True, slots=True)
class TaskWarned:
    """Something about the running job that whoever asked for it should know, in a sentence."""

    message: str


@dataclass(frozen=True, slots=True)
class LorasApplied:
    """The running job's LoRAs act: of each, in the order of its parameters, `{matched, total,
    text_encoder}`."""

    reports: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class StepDone:
    """Step `step` of `total_steps` (from 1) of image `image_index` is done."""

    image_index: int
    step: int
    total_steps: int


@dataclass(frozen=True, slots=True)
class PreviewReady:
    """A small JPEG of the predicted clean image after some step of image `image_index`."""

    image_index: int
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class ImageReady:
    """Image `image_index`: a PNG with its recipe inside, and a WebP thumbnail.

    `width` and `height` in pixels; `seconds` is the time the image took on the device.
    """

    image_index: int
    width: int
    height: int
    seconds: float
    png: bytes
    thumbnail: bytes


@dataclass(frozen=True, slots=True)
class TaskFinished:
    """All images of the task were sent. `host_seconds` is what progress, previews and hand-over
    cost on the generation thread: keys `steps` and `images`, in seconds, summed over the task."""

    host_seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TaskFailed:
    """The task failed for good; `code` is one of `JobFailure`'s. `fault` names the broken promise
    when a plugin is at fault, for `/api/info`."""

    code: str
    message: str
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class TaskCancelled:
    """The task was stopped by `CancelTask`."""


@dataclass(frozen=True, slots=True)
class PluginFault:
    """A plugin misbehaved in use without failing the job. `provider` is the plugin's name."""

    provider: str
    message: str


TaskMessage = (
    TaskStarted
    | PhaseChanged
    | TaskWarned
    | LorasApplied
    | StepDone
    | PreviewReady
    | ImageReady
    | TaskFinished
    | TaskFailed
    | TaskCancelled
)
#: What a worker says beside its tasks.
WorkerNews = ModelState | DeviceMemory | PluginFault
WorkerMessage = WorkerReady | WorkerNews | TaskMessage
