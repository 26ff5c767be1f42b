"""An executor that does as each test says, and a queue on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from server.catalog import ModelCatalog
from server.config import Settings
from server.errors import JobFailure, WorkerLost
from server.gallery import Gallery
from server.generation import Task
from server.inputs import InputImages
from server.jobs.manager import JobManager
from server.jobs.store import JobStore
from server.jobs.views import JobViews
from server.loras.adding import Added
from server.loras.references import LoraReference
from server.model_files import ModelFiles
from server.plugins.manager import PluginManager, discover
from server.records import Job, Origin
from server.snapshots import (
    ImageReady,
    JobSnapshot,
    PhaseChanged,
    StepDone,
    TaskCancelled,
    TaskFailed,
    TaskFinished,
    TaskMessage,
    TaskStarted,
)
from server.sources.progress import Listener
from tests.support import PLUGINS
from tests.unit.jobs.builders import PNG, WEBP, new_job

Script = Callable[["ScriptedExecutor", Task[Any], int], AsyncIterator[TaskMessage]]


def image(index: int) -> ImageReady:
    return ImageReady(index, 64, 64, 0.1, PNG, WEBP)


class ScriptedExecutor:
    """Runs the next script of its list for each task, the last one for ever."""

    def __init__(self) -> None:
        self.scripts: list[Script] = [make_all]
        self.tasks: list[tuple[Task[Any], int]] = []
        self.cancelled = asyncio.Event()
        self.proceed = asyncio.Event()
        self.closed = asyncio.Event()
        self.number_of_slots = 1

    def slots(self) -> Iterable[str]:
        return tuple(map(str, range(self.number_of_slots)))

    async def run(
        self, slot: str, task: Task[Any], attempt: int
    ) -> AsyncGenerator[TaskMessage, None]:
        self.tasks.append((task, attempt))
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        async for message in script(self, task, attempt):
            yield message

    def cancel(self, job_id: str, attempt: int) -> None:
        self.cancelled.set()

    def load(self, model: str) -> None:
        raise AssertionError("the manager loads nothing")

    unload = load

    def listen(self, listener: object) -> None:
        """Nothing to tell."""

    async def close(self) -> None:
        self.closed.set()


async def make_all(
    executor: ScriptedExecutor, task: Task[Any], attempt: int
) -> AsyncIterator[TaskMessage]:
    yield TaskStarted(task.job_id, attempt)
    for index in task.indices:
        yield PhaseChanged("generating", index)
        yield StepDone(index, 4, 4)
        yield image(index)
    yield TaskFinished()


async def make_one_then_die(
    executor: ScriptedExecutor, task: Task[Any], attempt: int
) -> AsyncIterator[TaskMessage]:
    yield TaskStarted(task.job_id, attempt)
    yield image(task.indices[0])
    raise WorkerLost("died", started=True, detail="last words")


async def die(
    executor: ScriptedExecutor, task: Task[Any], attempt: int
) -> AsyncIterator[TaskMessage]:
    yield TaskStarted(task.job_id, attempt)
    raise WorkerLost("died", started=True, detail="last words")


async def never_start(
    executor: ScriptedExecutor, task: Task[Any], attempt: int
) -> AsyncIterator[TaskMessage]:
    raise WorkerLost("no such device", detail="ImportError: torch")
    yield TaskFinished()  # makes this a generator


async def wait_for_cancel(
    executor: ScriptedExecutor, task: Task[Any], attempt: int
) -> AsyncIterator[TaskMessage]:
    yield TaskStarted(task.job_id, attempt)
    yield image(task.indices[0])
    await executor.cancelled.wait()
    yield TaskCancelled()


async def wait_for_close(
    executor: ScriptedExecutor, task: Task[Any], attempt: int
) -> AsyncIterator[TaskMessage]:
    yield TaskStarted(task.job_id, attempt)
    await executor.closed.wait()
    raise WorkerLost("closed", started=True)


async def wait_then_make(
    executor: ScriptedExecutor, task: Task[Any], attempt: int
) -> AsyncIterator[TaskMessage]:
    await executor.proceed.wait()
    async for message in make_all(executor, task, attempt):
        yield message


async def fail(
    executor: ScriptedExecutor, task: Task[Any], attempt: int
) -> AsyncIterator[TaskMessage]:
    yield TaskStarted(task.job_id, attempt)
    yield TaskFailed("generation_failed", "ValueError: no", fault="Generating raised ValueError")


async def forget_an_image(
    executor: ScriptedExecutor, task: Task[Any], attempt: int
) -> AsyncIterator[TaskMessage]:
    yield TaskStarted(task.job_id, attempt)
    yield TaskFinished()


class ScriptedAdder:
    """Adds LoRAs when it is told to."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ends: dict[str, asyncio.Future[Added]] = {}

    async def add(self, reference: LoraReference, progress: Listener) -> Added:
        name = str(reference)
        self.begun.append(name)
        progress(5, 10)
        return await self.ends.setdefault(name, asyncio.get_running_loop().create_future())

    def sweep(self) -> None:
        """There is nothing to remove."""


class Bench:
    """A manager with all it needs."""

    def __init__(self, store: JobStore, gallery: Gallery, inputs: InputImages) -> None:
        self.store, self.gallery = store, gallery
        self.plugins: PluginManager = discover(PLUGINS)
        self.catalog = ModelCatalog(self.plugins, ModelFiles(Settings()))
        self.executor = ScriptedExecutor()
        self.adder = ScriptedAdder()
        self.ended: list[str] = []
        self.quota = 100  # jobs of one client that may run at a time
        self.fetched: list[tuple[str, JobFailure | None]] = []
        self.manager = JobManager(
            store=store,
            gallery=gallery,
            inputs=inputs,
            catalog=self.catalog,
            plugins=self.plugins,
            executor=self.executor,
            adder=self.adder,
            lora_path=self._no_lora,
            may_run=lambda client, beside: beside < self.quota,
            paused=False,
            job_ended=lambda: self.ended.append("job"),
            model_fetched=lambda model, failure: self.fetched.append((model, failure)),
        )

    async def _no_lora(self, lora_id: str, autov3: str | None) -> None:
        """There are no LoRAs."""

    def submit(self, num_images: int = 2, client: str = "") -> Job:
        params = {"prompt": "red", "width": 64, "height": 64, "steps": 4, "seed": 7}
        params |= {"num_images": num_images}
        job = self.store.create(new_job(params=params, origin=Origin(client=client)))
        self.manager.enqueue(job)
        return job

    async def end(self, job: Job) -> JobSnapshot:
        """The terminal snapshot of a job, of one that has ended already too."""
        manager = self.manager
        views = JobViews(self.store, self.gallery, manager.feed, manager.new_image)
        return await views.wait(job.id)

    @asynccontextmanager
    async def started(self) -> AsyncIterator[None]:
        await self.manager.start()
        try:
            yield
        finally:
            await self.manager.stop(drain=0.05)
