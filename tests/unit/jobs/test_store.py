"""Each change of a job's life, on a real database."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from server.database import Database, idempotency
from server.errors import IdempotencyConflict, InvalidParameters, JobNotFound
from server.jobs.store import MAX_RESTARTS, IdempotencyKey, JobStore
from server.records import JobStatus, now
from tests.unit.jobs.builders import new_job

KEY = IdempotencyKey("anonymous", "retry-1", "hash-1")


def test_a_stored_job_comes_back_whole(store: JobStore) -> None:
    created = store.create(new_job())
    assert store.get(created.id) == created
    assert created.number == 1 and created.missing == (0, 1)


def test_commits_reach_the_disk_before_they_return(database: Database) -> None:
    assert database.pragma("synchronous") == 2  # FULL
    assert database.pragma("journal_mode") == "wal"


def test_waiting_jobs_keep_the_order_of_their_submission(store: JobStore) -> None:
    jobs = [store.create(new_job()) for _ in range(5)]
    store.begin(jobs[0].id)
    assert [job.id for job in store.waiting()] == [job.id for job in jobs[1:]]
    store.requeue(jobs[0].id, seq=9, lost=True)
    assert [job.id for job in store.waiting()] == [job.id for job in jobs]


def test_a_dispatch_is_a_new_attempt_and_a_loss_is_counted_apart(store: JobStore) -> None:
    job = store.create(new_job())
    assert store.begin(job.id).attempt == 1
    assert store.requeue(job.id, seq=4, lost=False).losses == 0
    again = store.begin(job.id)
    assert (again.attempt, again.seq, again.status) == (2, 0, JobStatus.PROCESSING)
    assert store.requeue(job.id, seq=4, lost=True).losses == 1


def test_a_running_job_is_not_dispatched_again(store: JobStore) -> None:
    job = store.create(new_job())
    store.begin(job.id)
    with pytest.raises(JobNotFound):
        store.begin(job.id)


def test_an_end_is_final(store: JobStore) -> None:
    job = store.create(new_job())
    ended = store.finish(job.id, JobStatus.FAILED, seq=2, error=("out_of_memory", "too big"))
    assert (ended.error_code, ended.error_message) == ("out_of_memory", "too big")
    assert ended.finished_at is not None
    with pytest.raises(JobNotFound):
        store.finish(job.id, JobStatus.COMPLETED, seq=3)


def test_a_restart_requeues_what_ran_under_a_greater_attempt(store: JobStore) -> None:
    job = store.create(new_job())
    store.begin(job.id)
    store.start(job.id)
    store.recover()
    found = store.get(job.id)
    assert (found.status, found.restarts, found.losses) == (JobStatus.QUEUED, 1, 0)
    assert found.attempt == 2


def test_the_tenth_restart_in_a_row_quarantines_the_job(store: JobStore) -> None:
    job = store.create(new_job())
    for _ in range(MAX_RESTARTS - 1):
        store.begin(job.id)
        store.start(job.id)
        store.recover()
        assert store.get(job.id).status is JobStatus.QUEUED
    store.begin(job.id)
    store.start(job.id)
    store.recover()
    found = store.get(job.id)
    assert (found.status, found.error_code) == (JobStatus.FAILED, "quarantined")


def test_a_job_that_no_worker_had_taken_brings_no_server_down(store: JobStore) -> None:
    job = store.create(new_job())
    for _ in range(MAX_RESTARTS + 1):
        store.begin(job.id)
        store.recover()
    assert (store.get(job.id).status, store.get(job.id).restarts) == (JobStatus.QUEUED, 0)


def test_a_waiting_job_counts_no_restarts_but_its_revisions_rise(store: JobStore) -> None:
    job = store.create(new_job())
    for _ in range(MAX_RESTARTS + 1):
        store.recover()
    found = store.get(job.id)
    assert (found.status, found.restarts) == (JobStatus.QUEUED, 0)
    assert found.attempt == MAX_RESTARTS + 1


def test_the_history_keeps_jobs_that_a_retry_may_ask_for(store: JobStore) -> None:
    job = store.create(new_job(), KEY)
    store.finish(job.id, JobStatus.COMPLETED, seq=1)
    store.prune(0)
    found = store.find_by_key(KEY)
    assert found is not None and found.id == job.id


def test_an_error_that_is_no_valid_text_is_stored_all_the_same(store: JobStore) -> None:
    job = store.create(new_job())
    ended = store.finish(job.id, JobStatus.FAILED, seq=1, error=("x", "caf\udce9"))
    assert ended.error_message == "caf?"


def test_the_same_key_and_body_return_the_first_job(store: JobStore) -> None:
    first = store.create(new_job(), KEY)
    assert store.create(new_job(), KEY).id == first.id
    assert store.find_by_key(KEY) == first
    assert len(store.waiting()) == 1


def test_the_same_key_with_another_body_is_refused(store: JobStore) -> None:
    store.create(new_job(), KEY)
    with pytest.raises(IdempotencyConflict, match="retry-1"):
        store.create(new_job(), replace(KEY, body_hash="hash-2"))
    assert len(store.waiting()) == 1


def test_keys_of_another_scope_are_others(store: JobStore) -> None:
    first = store.create(new_job(), KEY)
    assert store.create(new_job(), replace(KEY, scope="somebody")).id != first.id


def test_a_key_is_forgotten_after_a_day(store: JobStore, database: Database) -> None:
    first = store.create(new_job(), KEY)
    with database.writing() as connection:
        earlier = now() - timedelta(hours=24, seconds=1)
        connection.execute(update(idempotency).values(created_at=earlier))
    assert store.find_by_key(KEY) is None
    assert store.create(new_job(), KEY).id != first.id


def test_pages_are_newest_first_and_lead_to_the_end(store: JobStore) -> None:
    ids = [store.create(new_job()).id for _ in range(5)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page, cursor = store.page(None, 2, cursor)
        seen += [job.id for job in page]
        if cursor is None:
            break
    assert seen == ids[::-1]


def test_a_page_shows_one_status_and_a_foreign_cursor_is_refused(store: JobStore) -> None:
    jobs = [store.create(new_job()) for _ in range(3)]
    store.finish(jobs[1].id, JobStatus.CANCELLED, seq=1)
    page, cursor = store.page(JobStatus.CANCELLED, 10, None)
    assert [job.id for job in page] == [jobs[1].id] and cursor is None
    with pytest.raises(InvalidParameters, match="cursor"):
        store.page(None, 10, "not ours")


def test_only_ended_jobs_are_deleted_and_pruned(store: JobStore) -> None:
    jobs = [store.create(new_job()) for _ in range(4)]
    for job in jobs[:3]:
        store.finish(job.id, JobStatus.COMPLETED, seq=1)
    with pytest.raises(JobNotFound):
        store.delete(jobs[3].id)
    store.delete(jobs[0].id)
    store.prune(1)
    assert [job.id for job in store.page(None, 10, None)[0]] == [jobs[3].id, jobs[2].id]


def test_counts_name_every_status(store: JobStore) -> None:
    store.finish(store.create(new_job()).id, JobStatus.FAILED, seq=1)
    store.create(new_job())
    counts = store.counts()
    assert set(counts) == set(JobStatus)
    assert counts[JobStatus.FAILED] == counts[JobStatus.QUEUED] == 1
    assert counts[JobStatus.COMPLETED] == 0
