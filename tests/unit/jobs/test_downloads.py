"""Downloads for waiting jobs and for a load: who holds them, and how each of them ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.errors import JobFailure, StorageFailed
from server.jobs.fetches import Fetches
from server.records import Job, JobStatus
from server.source_errors import GatedSource, SourceFailed
from server.sources.progress import Listener
from tests.unit.jobs.builders import new_job
from tests.unit.jobs.scripted import Bench


class Sources:
    """Models that must be fetched, each until it is let go or told to fail."""

    def __init__(self, *models: str) -> None:
        self.missing = set(models)
        self.begun: list[str] = []
        self.stopped: list[str] = []
        self.listeners: dict[str, Listener] = {}
        self._ends: dict[str, asyncio.Future[None]] = {}

    def must_fetch(self, model: str) -> bool:
        if model == "broken":
            raise RuntimeError("unforeseen")
        return model in self.missing

    async def fetch(self, model: str, progress: Listener) -> None:
        self.begun.append(model)
        self.listeners[model] = progress
        self._ends[model] = asyncio.get_running_loop().create_future()
        try:
            await self._ends[model]
        except asyncio.CancelledError:
            self.stopped.append(model)
            raise
        self.missing.discard(model)

    async def has_begun(self, model: str) -> None:
        async with asyncio.timeout(10):
            while model not in self._ends:
                await asyncio.sleep(0.01)

    def end(self, model: str, error: BaseException | None = None) -> None:
        if error is None:
            self._ends[model].set_result(None)
        else:
            self._ends[model].set_exception(error)


@pytest.fixture
def sources(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Sources:
    """The models `far` and `near` of the bench are missing."""
    found = Sources("far", "near", "third", "colours-four-step")
    monkeypatch.setattr(bench.catalog, "must_fetch", found.must_fetch)
    monkeypatch.setattr(bench.catalog, "fetch", found.fetch)
    return found


def submit(bench: Bench, model: str) -> Job:
    """A job whose model must be downloaded."""
    job = bench.store.create(new_job(model=model))
    bench.manager.enqueue(job, download=True)
    return job


def shown(bench: Bench, job: Job) -> tuple[str | None, dict[str, Any] | None]:
    snapshot = bench.manager.feed.current(job.id)
    assert snapshot is not None
    return snapshot.phase, snapshot.download


NOTHING_YET = {"bytes": 0, "total_bytes": None, "bytes_per_second": None}


# --- ends ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (GatedSource("accept it"), "gated_source"),
        (StorageFailed("no"), "storage_failed"),
        (OSError(5, "I/O error"), "source_failed"),
        (UnicodeError("label too long"), "source_failed"),
        (RecursionError(), "source_failed"),
    ],
)
async def test_whatever_a_download_fails_with_its_jobs_end(
    bench: Bench, sources: Sources, error: Exception, code: str
) -> None:
    jobs = [submit(bench, "far") for _ in range(2)]
    async with bench.started():
        await sources.has_begun("far")
        sources.end("far", error)
        for job in jobs:
            last = await bench.end(job)
            assert last.error is not None and last.error["code"] == code
            assert last.phase is None and last.download is None
    assert [(model, failure and failure.code) for model, failure in bench.fetched] == [
        ("far", code)
    ]
    assert "far" not in bench.manager.downloads


async def test_a_server_that_stops_waits_for_the_jobs_that_a_download_ended(
    bench: Bench, sources: Sources
) -> None:
    job = submit(bench, "far")
    async with bench.started():
        await sources.has_begun("far")
        sources.end("far", GatedSource("accept it"))
        while bench.manager.waiting:
            await asyncio.sleep(0)
    assert bench.store.get(job.id).status is JobStatus.FAILED


async def test_a_model_of_which_nothing_can_be_told_keeps_no_server_from_starting(
    bench: Bench, sources: Sources
) -> None:
    broken, whole = (bench.store.create(new_job(model=name)) for name in ("broken", "colours"))
    async with bench.started():
        last = await bench.end(whole)
        assert last.status is JobStatus.COMPLETED
    assert bench.store.get(broken.id).status is JobStatus.FAILED


async def test_a_failure_amid_a_stop_leaves_the_next_download_alone() -> None:
    ended: list[tuple[str, JobFailure | None]] = []
    held = asyncio.Event()

    class Stubborn:
        calls = 0

        async def fetch(self, model: str, progress: Listener) -> None:
            Stubborn.calls += 1
            if Stubborn.calls > 1:
                await held.wait()
                return
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                raise SourceFailed("failed while it was stopped") from None

    fetches = Fetches(Stubborn(), lambda model: None, lambda *end: ended.append(end))  # type: ignore[arg-type]
    fetches.begin("m")
    await asyncio.sleep(0.01)
    fetches.stop("m")
    fetches.begin("m")
    await asyncio.sleep(0.01)
    assert "m" in fetches and ended == []
    held.set()
    await asyncio.sleep(0.01)
    assert ended == [("m", None)] and "m" not in fetches
    await fetches.close()


# --- turns ---------------------------------------------------------------------------------


async def test_two_models_are_downloaded_at_a_time_and_the_next_shows_that_it_waits(
    bench: Bench, sources: Sources
) -> None:
    first, second, third = (submit(bench, name) for name in ("far", "near", "third"))
    async with bench.started():
        await sources.has_begun("near")
        sources.listeners["far"](1000, 5000)
        assert sources.begun == ["far", "near"]
        phase, download = shown(bench, first)
        assert phase == "downloading" and download is not None
        assert (download["bytes"], download["total_bytes"]) == (1000, 5000)
        assert shown(bench, second) == shown(bench, third) == ("downloading", NOTHING_YET)
        late = submit(bench, "far")
        assert shown(bench, late) == shown(bench, first), "it shows what is known already"
        sources.end("near")
        await sources.has_begun("third")
        assert "near" not in bench.manager.downloads


# --- who holds a download ------------------------------------------------------------------


async def test_the_last_job_that_is_cancelled_stops_the_download(
    bench: Bench, sources: Sources
) -> None:
    first, second = (submit(bench, "far") for _ in range(2))
    async with bench.started():
        await sources.has_begun("far")
        await bench.manager.cancel(first.id)
        assert "far" in bench.manager.downloads
        await bench.manager.cancel(second.id)
        assert "far" not in bench.manager.downloads
        await asyncio.sleep(0.01)
        assert sources.stopped == ["far"] and bench.fetched == []


async def test_a_cancelled_job_stops_no_download_that_a_load_wants(
    bench: Bench, sources: Sources
) -> None:
    async with bench.started():
        bench.manager.downloads.want("far")
        job = submit(bench, "far")
        await sources.has_begun("far")
        await bench.manager.cancel(job.id)
        assert "far" in bench.manager.downloads
        bench.manager.downloads.want("near")
        assert "far" not in bench.manager.downloads and "near" in bench.manager.downloads
        bench.manager.downloads.want(None)
        assert "near" not in bench.manager.downloads


async def test_a_load_that_is_not_wanted_any_more_stops_no_download_that_jobs_need(
    bench: Bench, sources: Sources
) -> None:
    async with bench.started():
        submit(bench, "far")
        bench.manager.downloads.want("far")
        bench.manager.downloads.want(None)
        assert "far" in bench.manager.downloads


async def test_nothing_begins_once_the_server_stops(bench: Bench, sources: Sources) -> None:
    async with bench.started():
        pass
    bench.manager.downloads.want("far")
    assert sources.begun == [] and "far" not in bench.manager.downloads
