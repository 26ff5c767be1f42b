"""From a worker's messages to snapshots."""

from __future__ import annotations

from dataclasses import replace

from server.jobs.progress import Progress, snapshot_of
from server.records import JobStatus
from server.snapshots import PhaseChanged, PreviewReady, StepDone, TaskMessage
from tests.unit.jobs.builders import new_image, new_job

JOB = replace(new_job(), status=JobStatus.PROCESSING, attempt=1)


def run(progress: Progress, *messages: TaskMessage) -> None:
    for clock, message in enumerate(messages):
        progress.advance(message, float(clock))


def test_progress_covers_the_whole_job_and_steps_the_current_image() -> None:
    progress = Progress(JOB, ())
    run(progress, PhaseChanged("generating", 0), StepDone(0, 2, 4))
    assert (progress.current.step, progress.current.total_steps) == (2, 4)
    assert progress.current.progress == 0.25
    run(progress, PhaseChanged("generating", 1), StepDone(1, 4, 4))
    assert progress.current.image_index == 1 and progress.current.progress == 1.0


def _order(progress: Progress) -> tuple[int, int]:
    return progress.current.attempt, progress.current.seq


def test_every_change_is_a_later_revision() -> None:
    progress = Progress(JOB, ())
    orders = [_order(progress)]
    for message in (PhaseChanged("loading"), PhaseChanged("generating", 0), StepDone(0, 1, 4)):
        progress.advance(message, 0.0)
        orders.append(_order(progress))
    assert orders == sorted(set(orders))


def test_progress_never_falls_within_an_attempt() -> None:
    progress = Progress(JOB, ())
    run(progress, StepDone(0, 4, 4))
    run(progress, StepDone(0, 1, 4))
    assert progress.current.progress == 0.5


def test_a_retry_starts_from_the_images_that_stand() -> None:
    job = replace(JOB, images_done=frozenset({0}))
    progress = Progress(job, [new_image(job)])
    assert progress.current.progress == 0.5 and len(progress.current.images) == 1
    run(progress, StepDone(1, 2, 4))
    assert progress.current.progress == 0.75


def test_a_new_image_begins_without_the_last_ones_preview() -> None:
    progress = Progress(JOB, ())
    run(progress, PhaseChanged("generating", 0), StepDone(0, 4, 4), PreviewReady(0, b"old"))
    assert progress.current.preview == b"old"
    run(progress, PhaseChanged("generating", 1))
    assert (progress.current.preview, progress.current.step) == (None, None)
    assert progress.advance(PreviewReady(0, b"late"), 0.0) is None


def test_the_time_left_follows_the_pace_since_the_first_step() -> None:
    progress = Progress(JOB, ())
    progress.advance(StepDone(0, 1, 4), 10.0)
    assert progress.current.eta_seconds is None
    progress.advance(StepDone(0, 3, 4), 14.0)
    assert progress.current.eta_seconds == 10.0  # 5 steps left of 8, two seconds each


def test_a_job_at_rest_shows_how_it_ended() -> None:
    failed = replace(JOB, status=JobStatus.FAILED, error_code="out_of_memory", error_message="x")
    shown = snapshot_of(failed)
    assert shown.error == {"code": "out_of_memory", "message": "x"}
    assert (shown.phase, shown.preview, shown.queue_position) == (None, None, None)
    completed = replace(JOB, status=JobStatus.COMPLETED, images_done=frozenset({0, 1}))
    assert snapshot_of(completed, [new_image(JOB)]).progress == 1.0
    assert snapshot_of(JOB).phase == "preparing"
