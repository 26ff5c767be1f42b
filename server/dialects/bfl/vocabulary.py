"""The two vocabularies that answers are written in; pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from server.dialects.bfl import protocol
from server.dialects.bfl.protocol import OutputFormat
from server.dialects.bfl.task import Task
from server.records import JobStatus


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """How answers are written.

    Attributes:
        name: its key.
        output_format: what `sample` leads to unless the request says.
        accepted: the answer to a request, from the task's id and where it is polled.
        polled: the answer about a task, from it and the address of its image.
        missing: the answer about a task that there is not, from its id and a sentence.
        accepted_model: what `accepted` makes.
        polled_model: what `polled` makes.
        missing_model: what `missing` makes.
    """

    name: str
    output_format: OutputFormat
    accepted: Callable[[str, str], dict[str, Any]]
    polled: Callable[[Task, str], dict[str, Any]]
    missing: Callable[[str, str], dict[str, Any]]
    accepted_model: type[BaseModel]
    polled_model: type[BaseModel]
    missing_model: type[BaseModel]


def _queued(task_id: str, polling_url: str) -> dict[str, Any]:
    return {"id": task_id, "status": "Task_Queued", "polling_url": polling_url}


def _processing(task: Task, sample: str) -> dict[str, Any]:
    answer = {"id": task.id, "status": _status(task, "Processing")}
    if task.status is JobStatus.COMPLETED:
        return {**answer, "result": {"sample": sample}}
    return {**answer, **failure(task)}


def _not_found(task_id: str, sentence: str) -> dict[str, Any]:
    return {"detail": sentence, "message": sentence}


def _accepted(task_id: str, polling_url: str) -> dict[str, Any]:
    free = {"cost": None, "input_mp": None, "output_mp": None}
    return {"id": task_id, "polling_url": polling_url, **free}


def _pending(task: Task, sample: str) -> dict[str, Any]:
    is_ready = task.status is JobStatus.COMPLETED
    return {
        "id": task.id,
        "status": _status(task, "Pending"),
        "result": _result(task, sample) if is_ready else None,
        "progress": task.progress,
        "details": _details(task) or None,
        "preview": None,
    }


def _task_not_found(task_id: str, sentence: str) -> dict[str, Any]:
    nothing = dict.fromkeys(("result", "progress", "details", "preview"))
    status = {"id": task_id, "status": "Task not found", **nothing}
    return {**status, **_not_found(task_id, sentence)}


def failure(task: Task) -> dict[str, str]:
    """What a task failed with; empty unless it did."""
    if task.error is None:
        return {}
    return {"error": task.error["code"], "message": task.error["message"]}


def _status(task: Task, under_way: str) -> str:
    match task.status:
        case JobStatus.COMPLETED:
            return "Ready"
        case JobStatus.FAILED | JobStatus.CANCELLED:
            return "Error"
    return under_way


def _result(task: Task, sample: str) -> dict[str, Any]:
    began = task.started_at.timestamp() if task.started_at else None
    ended = task.finished_at.timestamp() if task.finished_at else None
    told = {
        "sample": sample,
        "prompt": task.prompt,
        "seed": task.seed,
        "start_time": began,
        "end_time": ended,
        "duration": round(ended - began, 3) if began and ended else None,
    }
    return _known(told)


def _details(task: Task) -> dict[str, Any]:
    words = ("phase", "queue_position", "step", "total_steps")
    told = {word: getattr(task, word) for word in words}
    return {**_known({**told, "notes": [*task.notes] or None}), **failure(task)}


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {word: value for word, value in values.items() if value is not None}


#: That of the local backend, which its document prints.
DOCUMENT = Vocabulary(
    name="document",
    output_format="png",
    accepted=_queued,
    polled=_processing,
    missing=_not_found,
    accepted_model=protocol.Queued,
    polled_model=protocol.Polled,
    missing_model=protocol.Trouble,
)

#: Black Forest Labs' own; any other status word makes their clients throw.
OWN = Vocabulary(
    name="own",
    output_format="jpeg",
    accepted=_accepted,
    polled=_pending,
    missing=_task_not_found,
    accepted_model=protocol.Accepted,
    polled_model=protocol.State,
    missing_model=protocol.Missing,
)

BY_NAME = {each.name: each for each in (DOCUMENT, OWN)}
