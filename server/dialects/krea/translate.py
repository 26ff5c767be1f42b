"""The Krea generator's words in ours, and ours in its."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from server.dialects.krea.protocol import RANDOM, Device, GenerateRequest, Status
from server.errors import (
    DarkroomError,
    InvalidParameters,
    JobFailure,
    OutOfMemory,
    Unavailable,
)
from server.fitting import Fitted, fit
from server.plugins.types import ModelCard, ModelFamily
from server.records import JobStatus
from server.residency import ModelStatus
from server.snapshots import JobSnapshot

#: What a value is that is not there, or is no value of its kind; all other faults are values out of
#: their range.
UNPROCESSABLE = ("missing", "string_too_short")

Loading = Literal["ok", "loading", "pending", "error"]

#: What becomes of a model's state, and what is said of it where the model says nothing itself.
STATES: Mapping[str, tuple[Loading, str]] = {
    "loaded": ("ok", "The model is ready."),
    "in_ram": ("ok", "The model is ready."),
    "loading": ("loading", "The model is being loaded."),
    "downloading": ("loading", "The model is being downloaded."),
    "on_disk": ("pending", "The next request loads the model."),
    "missing": ("pending", "The next request downloads the model."),
    "failed": ("error", "The model could not be loaded."),
}


def parameters(request: GenerateRequest, schema: Mapping[str, Any]) -> Fitted:
    """A request in our words, its values bent to what the model takes.

    Args:
        request: what the client asked for.
        schema: the JSON Schema of requests to the model.
    """
    wanted = {
        "prompt": request.prompt,
        "steps": request.steps,
        "cfg_scale": request.cfg_scale,
        "seed": None if request.seed == RANDOM else request.seed,
        "width": request.width,
        "height": request.height,
    }
    return fit(schema, wanted)


def status_of(error: DarkroomError) -> int:
    """The HTTP status of an error: values out of their range are 400, those missing 422."""
    if not isinstance(error, InvalidParameters):
        return error.status
    kinds = [item["type"] for item in error.errors]
    return 422 if any(kind in UNPROCESSABLE or kind.endswith("_type") for kind in kinds) else 400


def failure(job: JobSnapshot) -> DarkroomError:
    """Why a job that has ended has no image."""
    if job.status is JobStatus.CANCELLED:
        return JobFailure("The generation was cancelled.")
    failed = job.failure or JobFailure()
    return Unavailable(failed.message) if isinstance(failed, OutOfMemory) else failed


def progress(job: JobSnapshot) -> dict[str, int] | None:
    """How far a job's image is; None before its first step."""
    if job.step is None or not job.total_steps:
        return None
    percentage = job.step * 100 // job.total_steps
    return {"step": job.step, "total_steps": job.total_steps, "percentage": percentage}


def device(name: str) -> Device:
    """What images are made on, by torch's name, in the two words that there are. Before a worker
    has looked (`auto`) nothing speaks for an accelerator."""
    return "cpu" if name in ("auto", "cpu") else "cuda"


def model_ids(cards: Iterable[tuple[ModelFamily, ModelCard]]) -> list[str]:
    """The models that a prompt alone suffices for."""
    return [card.id for family, card in cards if family.begins_with_words(card)]


def status(model: ModelStatus, device_name: str) -> Status:
    """How far a model is."""
    state, sentence = STATES[model.state]
    return Status(
        status=state,
        model_loaded=state == "ok",
        models_loaded=state == "ok",
        models_loading=state == "loading",
        device=device(device_name),
        model=model.id,
        message=model.error or sentence,
    )
