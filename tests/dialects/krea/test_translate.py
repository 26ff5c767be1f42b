"""The words of this API in ours and back, from what was recorded of both."""

from __future__ import annotations

from typing import Any

import pytest

from server.dialects.krea import translate
from server.dialects.krea.messages import Thread
from server.dialects.krea.protocol import GenerateRequest
from server.errors import InvalidParameters, QueueFull
from server.records import JobStatus
from server.residency import ModelStatus
from server.snapshots import JobSnapshot
from tests.dialects.krea.document import REQUEST

#: Of a model that takes four steps of any size, and no guidance.
SCHEMA: dict[str, Any] = {
    "properties": {
        "prompt": {"type": "string"},
        "steps": {"type": "integer", "const": 4},
        "seed": {"anyOf": [{"type": "integer", "maximum": 99}, {"type": "null"}]},
        "width": {"type": "integer", "minimum": 64, "maximum": 1536, "multipleOf": 16},
        "height": {"type": "integer", "minimum": 64, "maximum": 1536, "multipleOf": 16},
    }
}

JOB = JobSnapshot(
    job_id="20260121_115610_abcd1234",
    attempt=1,
    seq=4,
    status=JobStatus.PROCESSING,
    model="colours",
    kind="generate",
    num_images=1,
    created_at="2026-01-21T11:56:10.000Z",
)


def ended(status: JobStatus, **more: Any) -> JobSnapshot:
    return JobSnapshot(**{**vars(JOB), "status": status, **more})


def model(state: str, error: str | None = None) -> ModelStatus:
    """A model in a state."""
    return ModelStatus(
        id="colours",
        aliases=(),
        family="colours",
        title="Colours",
        description="",
        license="",
        size_bytes=0,
        disk_bytes=0,
        resident_bytes=0,
        state=state,
        error=error,
        current=True,
        capabilities=[],
    )


def test_the_documents_request_for_a_model_that_takes_less() -> None:
    fitted = translate.parameters(GenerateRequest.model_validate(REQUEST), SCHEMA)
    assert fitted.body == {
        "prompt": REQUEST["prompt"],
        "steps": 4,
        "seed": 42,
        "width": 1024,
        "height": 1024,
    }
    assert [note.split()[0] for note in fitted.notes] == ["steps", "cfg_scale"]


def test_what_a_request_leaves_out() -> None:
    fitted = translate.parameters(GenerateRequest(prompt="x", width=2048), SCHEMA)
    assert fitted.body == {"prompt": "x", "steps": 4, "width": 1536, "height": 1024}


@pytest.mark.parametrize(
    ("kinds", "status"),
    [
        (["less_than_equal"], 400),
        (["multiple_of", "string_too_long"], 400),
        (["missing"], 422),
        (["less_than_equal", "missing"], 422),
        (["string_too_short"], 422),
        (["int_type"], 422),
    ],
)
def test_the_status_of_refused_parameters(kinds: list[str], status: int) -> None:
    errors = [{"loc": ["steps"], "msg": "no", "type": kind} for kind in kinds]
    assert translate.status_of(InvalidParameters(errors)) == status
    assert translate.status_of(QueueFull()) == 503


@pytest.mark.parametrize(
    ("job", "status", "said"),
    [
        (ended(JobStatus.CANCELLED), 500, "The generation was cancelled."),
        (
            ended(JobStatus.FAILED, error={"code": "source_failed", "message": "No network."}),
            500,
            "No network.",
        ),
        (
            ended(JobStatus.FAILED, error={"code": "out_of_memory", "message": "It is full."}),
            503,
            "It is full.",
        ),
    ],
    ids=["cancelled", "failed", "out of memory"],
)
def test_why_a_job_has_no_image(job: JobSnapshot, status: int, said: str) -> None:
    error = translate.failure(job)
    assert (error.status, error.message) == (status, said)


def test_progress() -> None:
    assert translate.progress(JOB) is None
    shown = translate.progress(ended(JobStatus.PROCESSING, step=15, total_steps=30, progress=0.25))
    assert shown == {"step": 15, "total_steps": 30, "percentage": 50}, "as the document has it"


@pytest.mark.parametrize(
    ("name", "word"),
    [("cpu", "cpu"), ("auto", "cpu"), ("cuda", "cuda"), ("cuda:1", "cuda"), ("mps", "cuda")],
)
def test_devices_have_two_words(name: str, word: str) -> None:
    assert translate.device(name) == word


@pytest.mark.parametrize(
    ("state", "word", "loaded", "loading"),
    [
        ("loaded", "ok", True, False),
        ("in_ram", "ok", True, False),
        ("loading", "loading", False, True),
        ("downloading", "loading", False, True),
        ("on_disk", "pending", False, False),
        ("missing", "pending", False, False),
        ("failed", "error", False, False),
    ],
)
def test_states_of_a_model(state: str, word: str, loaded: bool, loading: bool) -> None:
    told = translate.status(model(state), "cpu")
    assert told.status == word
    assert told.model_loaded is told.models_loaded is loaded
    assert told.models_loading is loading
    assert told.message
    assert translate.status(model(state, "It is broken."), "cpu").message == "It is broken."


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        ({}, {"type": "error", "data": {"error": "no"}}),
        ({"id": 7}, {"type": "error", "id": 7, "data": {"error": "no"}}),
        ({"data": {"id": "a"}}, {"type": "error", "data": {"error": "no", "id": "a"}}),
        ({"id": None, "data": {"id": True}}, {"type": "error", "data": {"error": "no"}}),
        ({"id": "x" * 201, "data": []}, {"type": "error", "data": {"error": "no"}}),
        ({"id": 10**201}, {"type": "error", "data": {"error": "no"}}),
    ],
)
def test_answers_repeat_the_ids_of_their_message(
    message: dict[str, Any], answer: dict[str, Any]
) -> None:
    assert Thread.of(message).answer("error", {"error": "no"}) == answer
