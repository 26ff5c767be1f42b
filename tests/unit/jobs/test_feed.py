"""The newest snapshot reaches everyone; nobody waits for anybody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from server.jobs.feed import MAX_PENDING_JOBS, Bell, JobFeed
from server.records import JobStatus
from server.snapshots import JobSnapshot


def snapshot(seq: int, status: JobStatus = JobStatus.PROCESSING, job_id: str = "a") -> JobSnapshot:
    return JobSnapshot(
        job_id=job_id,
        attempt=1,
        seq=seq,
        status=status,
        model="m",
        kind="generate",
        num_images=1,
        created_at="",
    )


async def take(snapshots: AsyncIterator[JobSnapshot], count: int) -> list[int]:
    return [(await anext(snapshots)).seq for _ in range(count)]


async def test_a_late_subscriber_gets_the_current_snapshot_at_once() -> None:
    feed = JobFeed()
    feed.publish(snapshot(1))
    feed.publish(snapshot(7))
    with feed.subscribe("a") as watching:
        assert await take(aiter(watching), 1) == [7]


async def test_a_slow_subscriber_skips_steps_but_no_change_of_status() -> None:
    feed = JobFeed()
    with feed.subscribe("a") as watching:
        feed.publish(snapshot(1, JobStatus.QUEUED))
        for seq in range(2, 50):
            feed.publish(snapshot(seq))
        feed.publish(snapshot(50, JobStatus.COMPLETED))
        assert [item.seq async for item in watching] == [1, 49, 50]


async def test_the_first_processing_snapshot_of_a_read_subscriber_is_not_skipped() -> None:
    feed = JobFeed()
    feed.publish(snapshot(1, JobStatus.QUEUED))
    with feed.subscribe("a") as watching:
        snapshots = aiter(watching)
        assert await take(snapshots, 1) == [1]
        feed.publish(snapshot(2))
        feed.publish(snapshot(3, JobStatus.COMPLETED))
        assert await take(snapshots, 2) == [2, 3]


async def test_one_job_is_watched_without_the_others() -> None:
    feed = JobFeed()
    feed.publish(snapshot(1, job_id="b"))
    with feed.subscribe("a") as watching:
        feed.publish(snapshot(2, job_id="b"))
        feed.publish(snapshot(3, JobStatus.FAILED, job_id="a"))
        assert [(item.job_id, item.seq) async for item in watching] == [("a", 3)]


async def test_all_jobs_are_watched_in_turn() -> None:
    feed = JobFeed()
    with feed.subscribe() as watching:
        for seq in (1, 2):
            feed.publish(snapshot(seq, job_id="a"))
            feed.publish(snapshot(seq, job_id="b"))
        feed.close()
        assert [(item.job_id, item.seq) async for item in watching] == [("a", 2), ("b", 2)]


async def test_what_a_subscriber_holds_is_bounded() -> None:
    feed = JobFeed()
    with feed.subscribe() as watching:
        for number in range(MAX_PENDING_JOBS + 10):
            feed.publish(snapshot(1, JobStatus.COMPLETED, job_id=f"job {number}"))
        feed.close()
        seen = [item.job_id async for item in watching]
    assert len(seen) == MAX_PENDING_JOBS
    assert seen[-1] == f"job {MAX_PENDING_JOBS + 9}"


async def test_an_ended_job_is_not_live() -> None:
    feed = JobFeed()
    feed.publish(snapshot(1))
    assert feed.current("a") is not None
    feed.publish(snapshot(2, JobStatus.CANCELLED))
    assert feed.current("a") is None


async def test_a_subscription_after_the_close_ends() -> None:
    feed = JobFeed()
    feed.close()
    with feed.subscribe() as watching:
        assert [item async for item in watching] == []


async def test_the_bell_wakes_those_who_wait_and_only_them() -> None:
    bell = Bell()
    early = bell.waiter()
    bell.ring()
    late = bell.waiter()
    await asyncio.wait_for(early.wait(), 1)
    assert not late.is_set()
    bell.close()
    assert late.is_set() and bell.closed


def test_a_snapshot_becomes_json_with_its_preview_as_a_data_uri() -> None:
    shown = JobSnapshot(
        job_id="a",
        attempt=2,
        seq=5,
        status=JobStatus.PROCESSING,
        model="m",
        kind="generate",
        num_images=1,
        created_at="t",
        preview=b"\xff\xd8",
    )
    assert shown.revision == "2.5"
    assert shown.as_dict()["preview"] == "data:image/jpeg;base64,/9g="
    assert '"status":"processing"' in shown.json and '"error":null' in shown.json
