"""What a snapshot tells of a job that failed."""

from __future__ import annotations

import pytest

from server.errors import JobFailure, OutOfMemory
from server.records import JobStatus
from server.snapshots import JobSnapshot


def snapshot(status: JobStatus, error: dict[str, str] | None = None) -> JobSnapshot:
    """A job of this status."""
    return JobSnapshot(
        job_id="20260101_000000_00000000",
        attempt=1,
        seq=1,
        status=status,
        model="colours",
        kind="generate",
        num_images=1,
        created_at="2026-01-01T00:00:00Z",
        error=error,
    )


@pytest.mark.parametrize(
    ("code", "kind"), [("out_of_memory", OutOfMemory), ("of_tomorrow", JobFailure)]
)
def test_a_failed_job_is_an_error_of_its_kind(code: str, kind: type[JobFailure]) -> None:
    failure = snapshot(JobStatus.FAILED, {"code": code, "message": "it broke"}).failure
    assert type(failure) is kind
    assert failure.message == "it broke"


@pytest.mark.parametrize("status", [each for each in JobStatus if each is not JobStatus.FAILED])
def test_other_jobs_have_no_failure(status: JobStatus) -> None:
    assert snapshot(status).failure is None
