"""The façade, with the family that needs no torch in a thread of this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from server.app import create_service
from server.config import load_settings
from server.errors import (
    IdempotencyConflict,
    InvalidParameters,
    JobAlreadyEnded,
    JobNotFound,
    ModelLoadFailed,
    QueueFull,
    ShuttingDown,
)
from server.jobs.submission import Unrunnable
from server.records import JobStatus, Origin
from server.service import GenerationService
from tests.support import PLUGINS


@asynccontextmanager
async def running(data: Path, **settings: Any) -> AsyncIterator[GenerationService]:
    options: dict[str, Any] = {"executor": "inline", "plugin_folder": PLUGINS, "device": "cpu"}
    options["default_model"] = "colours"
    service = create_service(load_settings(data=data, **{**options, **settings}))
    await service.start()
    try:
        yield service
    finally:
        await service.stop()


async def make(service: GenerationService, **words: Any) -> str:
    """A completed job's id."""
    snapshot = await service.submit({"prompt": "red", **words})
    assert (await service.wait(snapshot.job_id)).status is JobStatus.COMPLETED
    return snapshot.job_id


async def test_the_seed_is_drawn_at_submission_and_part_of_the_recipe(tmp_path: Path) -> None:
    async with running(tmp_path, on_start="pause") as service:
        snapshot = await service.submit({"prompt": "red"})
        job, _ = await service.job(snapshot.job_id)
        assert 0 <= job.params["seed"] < 2**32
        await service.resume()
        (image,) = (await service.wait(job.id)).images
        assert image["seed"] == job.params["seed"]


async def test_a_retry_with_the_same_key_is_the_same_job(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        first = await service.submit({"prompt": "red"}, idempotency_key="k")
        await service.wait(first.job_id)
        again = await service.submit({"prompt": "red"}, idempotency_key="k")
        assert again.job_id == first.job_id and again.status is JobStatus.COMPLETED
        with pytest.raises(IdempotencyConflict):
            await service.submit({"prompt": "blue"}, idempotency_key="k")
        with pytest.raises(InvalidParameters):
            await service.submit({"prompt": "red"}, idempotency_key="")
        assert (await service.queue()).completed == 1


async def test_concurrent_retries_make_one_job(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        body = {"prompt": "red"}
        found = await asyncio.gather(
            *(service.submit(body, idempotency_key="k") for _ in range(20))
        )
        assert len({snapshot.job_id for snapshot in found}) == 1


async def test_a_full_queue_refuses_and_keeps_what_it_has(tmp_path: Path) -> None:
    async with running(tmp_path, on_start="pause", max_queued=3) as service:
        submits = (service.submit({"prompt": "red"}) for _ in range(10))
        found = await asyncio.gather(*submits, return_exceptions=True)
        assert sum(isinstance(item, QueueFull) for item in found) == 7
        assert (await service.queue()).pending == 3


async def test_a_client_that_goes_away_while_its_job_is_stored_leaves_it_queued(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, on_start="pause") as service:
        request = asyncio.create_task(service.submit({"prompt": "red"}))
        await asyncio.sleep(0)
        request.cancel()
        async with asyncio.timeout(10):
            while (await service.queue()).pending == 0:
                await asyncio.sleep(0.01)
        (stored,), _ = await service.jobs(status=JobStatus.QUEUED, limit=10, cursor=None)
        assert stored.queue_position == 1


async def test_the_history_and_the_gallery_keep_as_much_as_is_set(tmp_path: Path) -> None:
    async with running(tmp_path, keep_jobs=2, keep_images=1) as service:
        ids = [await make(service) for _ in range(4)]
        async with asyncio.timeout(10):  # the gallery is trimmed last, after the end of a job
            while (await service.pictures.page(limit=10)).total > 1:
                await asyncio.sleep(0.01)
        kept, _ = await service.jobs(status=None, limit=10, cursor=None)
        assert [snapshot.job_id for snapshot in kept] == ids[:1:-1]
        page = await service.pictures.page(limit=10)
        assert [image.job_id for image in page.images] == ids[3:]
    assert [path.name for path in (tmp_path / "images").iterdir()] == [f"{ids[3]}_0.png"]


async def test_an_explicit_load_changes_the_current_model_for_good(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        await make(service, model="colours-four-step")
        assert service.current_model == "colours", "a job changes nothing"
        status = await service.models.load("colours-four-step")
        assert status.current
    async with running(tmp_path) as service:
        assert service.current_model == "colours-four-step"
    async with running(tmp_path, default_model="colours-four-step") as service:
        await service.models.load("colours")
    async with running(tmp_path, default_model="colours") as service:
        assert service.current_model == "colours", "the newer wish is the configuration's"


async def test_models_tell_whether_they_are_in_memory(tmp_path: Path) -> None:
    async with running(tmp_path, preload=False) as service:
        states = {model.id: model.state for model in service.models.all()}
        assert states["colours"] == "on_disk"
        assert (await service.plan({"prompt": "red"})).needs_load
        await make(service)
        states = {model.id: model.state for model in service.models.all()}
        assert states["colours"] == "loaded"
        plan = await service.plan({"prompt": "red", "num_images": 3})
        assert not plan.needs_load and plan.expected_seconds is not None
        await service.models.unload("colours")
        async with asyncio.timeout(10):
            while service.models.all()[1].state == "loaded":
                await asyncio.sleep(0.01)


async def test_jobs_are_cancelled_deleted_and_unknown_ones_are_told(tmp_path: Path) -> None:
    async with running(tmp_path, on_start="pause") as service:
        waiting = (await service.submit({"prompt": "red"})).job_id
        assert (await service.cancel(waiting)).status is JobStatus.CANCELLED
        with pytest.raises(JobAlreadyEnded):
            await service.cancel(waiting)
        deleted = (await service.submit({"prompt": "red"})).job_id
        await service.delete_job(deleted)
        for call in (service.job, service.cancel, service.delete_job, service.watch):
            with pytest.raises(JobNotFound):
                await call(deleted)


async def test_deleting_a_running_job_cancels_it_and_keeps_its_images(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        body = {"prompt": "red", "num_images": 10, "steps": 50, "delay": 0.01}
        job_id = (await service.submit(body)).job_id
        async for snapshot in await service.watch(job_id):
            if snapshot.images and not snapshot.status.ended:
                break
        await service.delete_job(job_id)
        with pytest.raises(JobNotFound):
            await service.job(job_id)
        page = await service.pictures.page(limit=10)
        assert {image.job_id for image in page.images} == {job_id}


async def test_nothing_is_accepted_once_the_server_stops(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        await make(service)
    with pytest.raises(ShuttingDown):
        await service.submit({"prompt": "red"})


async def test_waiting_for_a_job_that_outlives_the_server_is_told(tmp_path: Path) -> None:
    async with running(tmp_path, on_start="pause") as service:
        job_id = (await service.submit({"prompt": "red"})).job_id
        waiting = asyncio.create_task(service.wait(job_id))
        await asyncio.sleep(0.05)
    with pytest.raises(ShuttingDown):
        await waiting


async def test_the_gallery_stream_starts_where_it_is_told(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        old = await make(service)
        fresh = await service.watch_images(None)
        replayed = await service.watch_images(0)
        new = await make(service)
        assert (await anext(fresh)).job_id == new
        assert [(await anext(replayed)).job_id for _ in range(2)] == [old, new]


async def test_out_of_memory_leaves_the_server_whole(tmp_path: Path) -> None:
    async with running(tmp_path) as service:
        failed = await service.submit({"prompt": "out of memory at step 2"})
        last = await service.wait(failed.job_id)
        assert last.error is not None and last.error["code"] == "out_of_memory"
        await make(service)


async def test_a_request_that_cannot_run_is_a_job_that_has_failed(tmp_path: Path) -> None:
    request = Unrunnable("gone", {"prompt": "red", "num_images": 2}, ModelLoadFailed("It is gone."))
    async with running(tmp_path, keep_jobs=1) as service:
        await make(service)
        snapshot = await service.submit_failed(request, origin=Origin("other", model="theirs"))
        assert snapshot.status is JobStatus.FAILED
        assert snapshot.error == {"code": "model_load_failed", "message": "It is gone."}
        job, _ = await service.job(snapshot.job_id)
        assert (job.model, job.params["prompt"], job.num_images) == ("gone", "red", 2)
        assert (job.origin.dialect, job.origin.model) == ("other", "theirs")
        listed, _ = await service.jobs(status=None, limit=10, cursor=None)
        assert [each.job_id for each in listed] == [job.id], "the history is trimmed"
        assert [*await service.jobs_named([job.id, "nothing"])] == [job.id]
        service._intake.open = False
        with pytest.raises(ShuttingDown):
            await service.submit_failed(request)
