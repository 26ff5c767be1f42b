"""Ids, times and the objects clients see."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import TypeAdapter, ValidationError

from server.errors import DarkroomError, all_errors
from server.generation import MAX_SEED, GenerationParams, Integer, Number, Task, recipe
from server.records import JOB_ID, JobStatus, iso, new_job_id


def test_a_job_id_tells_the_utc_time_of_its_submission() -> None:
    moment = datetime(2026, 1, 21, 13, 56, 10, tzinfo=timezone(timedelta(hours=2)))
    job_id = new_job_id(moment)
    assert JOB_ID.fullmatch(job_id) and job_id.startswith("20260121_115610_")
    assert new_job_id(moment) != job_id


def test_times_are_iso_8601_with_z() -> None:
    assert iso(datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)) == "2026-01-02T03:04:05.678Z"
    assert iso(None) is None


def test_three_statuses_are_ends() -> None:
    assert [status.value for status in JobStatus if status.ended] == [
        "completed",
        "failed",
        "cancelled",
    ]


@pytest.mark.parametrize(("value", "result"), [(512, 512), (512.0, 512), (-3.0, -3)])
def test_integers_are_json_schemas(value: object, result: int) -> None:
    assert TypeAdapter(Integer).validate_python(value) == result


@pytest.mark.parametrize("value", ["512", True, 1.5, None, [1]])
def test_what_json_schema_calls_no_integer_is_none(value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Integer).validate_python(value)


def test_numbers_are_json_schemas() -> None:
    adapter = TypeAdapter(Number)
    assert adapter.validate_python(7) == 7.0
    for value in ("7", True, float("inf"), float("nan")):
        with pytest.raises(ValidationError):
            adapter.validate_python(value)


def test_a_task_survives_the_wire_and_gives_each_image_its_recipe() -> None:
    params = GenerationParams(prompt="red", seed=41, num_images=3)
    task = Task("id", "model", "family", params, (1, 2))
    assert Task.from_wire(task.to_wire(), GenerationParams) == task
    assert recipe(task, 2) == {
        **params.model_dump(),
        "model": "model",
        "seed": 43,
        "num_images": 1,
    }


def test_a_task_without_a_seed_is_refused() -> None:
    task = Task("id", "model", "family", GenerationParams(prompt="red"), (0,))
    with pytest.raises(ValueError, match="drawn when its job is submitted"):
        task.seed(0)


def test_seeds_are_what_a_browser_holds_exactly() -> None:
    assert GenerationParams(prompt="red", seed=MAX_SEED).seed == 2**53 - 1
    with pytest.raises(ValidationError):
        GenerationParams(prompt="red", seed=MAX_SEED + 1)


def test_every_error_has_a_code_a_status_and_a_title() -> None:
    for error in all_errors():
        assert error.code and error.title and 400 <= error.status < 600
        assert error.__doc__, error
    concrete = [error for error in all_errors() if not error.__subclasses__()]
    assert len({error.code for error in concrete}) == len(concrete)
    assert issubclass(concrete[0], DarkroomError)
