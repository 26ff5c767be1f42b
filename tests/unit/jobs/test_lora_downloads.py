"""Jobs that bring LoRAs: how many at a time, and how each of them ends."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from server.errors import ShuttingDown
from server.inputs import InputImages
from server.jobs.lora_downloads import PARALLEL
from server.loras.adding import Added
from server.loras.record import LoraRecord
from server.loras.references import read
from server.records import JobKind, JobStatus
from server.source_errors import GatedSource
from tests.unit.jobs.scripted import Bench


def added(lora_id: str, *notes: str) -> Added:
    record = LoraRecord(lora_id, Path("/x"), (), "x", "x", "0" * 64, "0" * 10, "0" * 64, 1)
    return Added(record, was_here=False, notes=notes)


async def submit(bench: Bench, number: int) -> str:
    return (await bench.manager.lora_downloads.submit(read(str(number)))).job_id


async def begun(bench: Bench, *names: str) -> None:
    async with asyncio.timeout(10):
        while sorted(bench.adder.begun) != sorted(names):
            await asyncio.sleep(0.01)


async def test_few_at_a_time_in_their_order(bench: Bench) -> None:
    async with bench.started():
        ids = [await submit(bench, number) for number in range(1, PARALLEL + 2)]
        await begun(bench, *[f"civitai:{number}" for number in range(1, PARALLEL + 1)])
        waiting = bench.store.get(ids[-1])
        assert waiting.status is JobStatus.QUEUED
        shown = bench.manager.feed.current(ids[-1])
        assert shown is not None and (shown.phase, shown.queue_position) == (None, None)
        bench.adder.ends["civitai:1"].set_result(added("civitai_1", "a note"))
        done = await bench.end(bench.store.get(ids[0]))
        assert (done.status, done.lora, done.warnings) == (
            JobStatus.COMPLETED,
            "civitai_1",
            ("a note",),
        )
        await begun(bench, *[f"civitai:{number}" for number in range(1, PARALLEL + 2)])


async def test_the_queue_does_not_know_them(bench: Bench) -> None:
    async with bench.started():
        await submit(bench, 1)
        await begun(bench, "civitai:1")
        state = await bench.manager.state()
        assert (state.pending, state.running, bench.manager.waiting) == (0, 0, 0)
        bench.manager.pause()
        await submit(bench, 2)
        await begun(bench, "civitai:1", "civitai:2")
        job = bench.submit()
        shown = bench.manager.feed.current(job.id)
        assert shown is not None and shown.queue_position == 1
        bench.adder.ends["civitai:1"].set_exception(GatedSource("no"))
        bench.manager.resume()
        await bench.end(job)
        state = await bench.manager.state()
        assert (state.completed, state.failed) == (1, 0)


async def test_a_failure_is_the_job_s(bench: Bench) -> None:
    async with bench.started():
        first, second = await submit(bench, 1), await submit(bench, 2)
        await begun(bench, "civitai:1", "civitai:2")
        bench.adder.ends["civitai:1"].set_exception(GatedSource("the licence"))
        bench.adder.ends["civitai:2"].set_exception(RuntimeError("unforeseen"))
        failed = await bench.end(bench.store.get(first))
        assert failed.error == {"code": "gated_source", "message": "the licence"}
        failed = await bench.end(bench.store.get(second))
        assert failed.error is not None and "log" in failed.error["message"]
        async with asyncio.timeout(10):
            while bench.ended != ["job", "job"]:  # what is kept is trimmed
                await asyncio.sleep(0.01)
        third = await submit(bench, 2)
        assert third != second, "one that has ended is begun anew"


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled"])
async def test_what_has_ended_keeps_no_key(bench: Bench, end: str) -> None:
    ref = "https://example.org/x.safetensors?X-Amz-Signature=s3cret"
    async with bench.started():
        job_id = (await bench.manager.lora_downloads.submit(read(ref))).job_id
        await begun(bench, ref)
        assert bench.store.get(job_id).params["ref"] == ref, "a restart needs it"
        if end == "completed":
            bench.adder.ends[ref].set_result(added("local_1"))
        elif end == "failed":
            bench.adder.ends[ref].set_exception(GatedSource("no"))
        else:
            await bench.manager.cancel(job_id)
        ended = await bench.end(bench.store.get(job_id))
    params = bench.store.get(job_id).params
    assert (ended.status.value, ended.lora) == (end, "local_1" if end == "completed" else None)
    assert params["ref"].startswith("https://example.org/x.safetensors?…")
    assert "s3cret" not in str(params)


@pytest.mark.parametrize("running", [True, False])
async def test_a_cancelled_one_ends_so(bench: Bench, running: bool) -> None:
    async with bench.started():
        ids = [await submit(bench, number) for number in range(1, PARALLEL + 2)]
        await begun(bench, *[f"civitai:{number}" for number in range(1, PARALLEL + 1)])
        job = bench.store.get(ids[0 if running else -1])
        assert job.status is (JobStatus.PROCESSING if running else JobStatus.QUEUED)
        assert await bench.manager.cancel(job.id)
        ended = await bench.end(job)
        assert (ended.status, ended.lora, ended.download) == (JobStatus.CANCELLED, None, None)
        assert not await bench.manager.cancel(job.id)
        again = await submit(bench, 1 if running else PARALLEL + 1)
        assert again != job.id


async def test_a_stop_puts_them_back_and_a_start_takes_them_up(
    bench: Bench, inputs: InputImages
) -> None:
    async with bench.started():
        ids = [await submit(bench, number) for number in (1, 2)]
        await begun(bench, "civitai:1", "civitai:2")
    jobs = [bench.store.get(job_id) for job_id in ids]
    assert [job.status for job in jobs] == [JobStatus.QUEUED] * 2
    with pytest.raises(ShuttingDown):
        await submit(bench, 3)
    later = Bench(bench.store, bench.gallery, inputs)
    later.store.recover()
    async with later.started():
        await begun(later, "civitai:1", "civitai:2")
        later.adder.ends["civitai:1"].set_result(added("civitai_1"))
        done = await later.end(jobs[0])
        assert (done.status, done.lora) == (JobStatus.COMPLETED, "civitai_1")
        assert done.attempt > jobs[0].attempt


async def test_servers_that_go_down_are_not_the_download_s_fault(bench: Bench) -> None:
    async with bench.started():
        job_id = await submit(bench, 1)
        await begun(bench, "civitai:1")
        for _ in range(12):
            bench.store.recover()
            bench.store.begin(job_id)
            bench.store.start(job_id)
        job = bench.store.get(job_id)
        assert (job.kind, job.status, job.restarts) == (JobKind.DOWNLOAD, JobStatus.PROCESSING, 0)
