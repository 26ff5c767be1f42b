"""Which webhooks are due, and which jobs wait for theirs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from server.database import Database
from server.database import webhooks as table
from server.jobs.store import JobStore
from server.records import Job, JobStatus, Origin, now
from server.webhooks.store import WebhookStore
from server.webhooks.webhook import Webhook
from tests.unit.jobs.builders import new_job

HOOK = Webhook("https://example.org/", "hush").to_request()


@pytest.fixture
def jobs(database: Database) -> JobStore:
    return JobStore(database)


@pytest.fixture
def webhooks(database: Database) -> WebhookStore:
    return WebhookStore(database)


def ended(jobs: JobStore, *, dialect: str = "bfl", hooked: bool = True) -> Job:
    """A job that has come to its end."""
    origin = Origin(dialect, request=HOOK if hooked else {})
    job = jobs.create(replace(new_job(), origin=origin))
    return jobs.finish(job.id, JobStatus.CANCELLED, seq=1)


def test_what_a_crash_left_is_owed(jobs: JobStore, webhooks: WebhookStore) -> None:
    first, second = ended(jobs), ended(jobs)
    ended(jobs, hooked=False)
    ended(jobs, dialect="other")
    jobs.create(replace(new_job(), origin=Origin("bfl", request=HOOK)))  # it has not ended
    assert webhooks.owed("bfl") == [first.id, second.id]
    webhooks.expect(first.id)
    assert webhooks.owed("bfl") == [second.id]


def test_a_webhook_is_due_until_no_try_is_left(jobs: JobStore, webhooks: WebhookStore) -> None:
    job = ended(jobs)
    webhooks.expect(job.id)
    webhooks.expect(job.id)
    assert webhooks.due("bfl", (), 10) == [(job.id, 0)]
    assert webhooks.due("bfl", {job.id}, 10) == []
    assert webhooks.due("other", (), 10) == []
    later = now() + timedelta(hours=1)
    webhooks.tried(job.id, "no answer", later)
    assert webhooks.due("bfl", (), 10) == []
    assert webhooks.next_due("bfl", ()) == later
    assert webhooks.next_due("bfl", {job.id}) is None
    webhooks.tried(job.id, "no answer", now())
    assert webhooks.due("bfl", (), 10) == [(job.id, 2)]
    webhooks.tried(job.id, "delivered", None)
    webhooks.expect(job.id)
    assert webhooks.due("bfl", (), 10) == []
    assert webhooks.next_due("bfl", ()) is None
    assert webhooks.owed("bfl") == []


def test_the_oldest_come_first(jobs: JobStore, webhooks: WebhookStore) -> None:
    found = [ended(jobs).id for _ in range(3)]
    for job_id in found:
        webhooks.expect(job_id)
    assert [due.job_id for due in webhooks.due("bfl", (), 2)] == found[:2]


def test_jobs_stay_until_their_webhook_is_settled(jobs: JobStore, webhooks: WebhookStore) -> None:
    waiting, given_up, plain = ended(jobs), ended(jobs), ended(jobs, hooked=False)
    webhooks.expect(waiting.id)
    webhooks.expect(given_up.id)
    webhooks.tried(given_up.id, "no answer", None)
    unseen = ended(jobs)
    jobs.prune(0)
    assert jobs.many([waiting.id, given_up.id, plain.id, unseen.id]).keys() == {
        waiting.id,
        unseen.id,
    }


def test_webhooks_of_forgotten_jobs_are_forgotten(
    jobs: JobStore, webhooks: WebhookStore, database: Database
) -> None:
    job, other = ended(jobs), ended(jobs)
    webhooks.expect(job.id)
    webhooks.expect(other.id)
    jobs.delete(job.id)
    assert [due.job_id for due in webhooks.due("bfl", (), 10)] == [other.id]
    webhooks.sweep()
    with database.reading() as connection:
        assert [*connection.execute(select(table.c.job_id)).scalars()] == [other.id]
