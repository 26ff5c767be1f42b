"""A worker process and its parent, with the family that needs no torch."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from server.errors import WorkerLost
from server.executors.process import ProcessExecutor
from server.generation import Task
from server.plugins.manager import discover
from server.snapshots import (
    DeviceMemory,
    ImageReady,
    ModelState,
    TaskCancelled,
    TaskFinished,
    TaskMessage,
    TaskStarted,
    Weights,
    WorkerNews,
)
from tests.support import COLOURS, PLUGINS, fill_folder, weights_at

#: A plugin whose wrapper leaves a child behind, as compilers and tokenizers do.
SPAWNING = """
import subprocess
import sys

from darkroom import hookimpl


@hookimpl(wrapper=True)
def generate():
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    return (yield)
"""


def task(prompt: str = "red", **params: Any) -> Task[Any]:
    family = discover(PLUGINS).families["colours"]
    parsed = family.params(prompt=prompt, seed=1, **params)
    indices = tuple(range(parsed.num_images))
    return Task("20260101_000000_00000001", "colours", "colours", parsed, indices)


@asynccontextmanager
async def executor(**options: Any) -> AsyncIterator[tuple[ProcessExecutor, list[Any]]]:
    heard: list[WorkerNews] = []
    running = ProcessExecutor(
        {"device": "cpu", "plugin_folder": str(PLUGINS), **options}, lambda model: weights_at()
    )
    running.listen(heard.append)
    try:
        yield running, heard
    finally:
        await running.close()


async def collect(running: ProcessExecutor, order: Task[Any], attempt: int) -> list[TaskMessage]:
    return [message async for message in running.run("0", order, attempt)]


def states(heard: list[Any]) -> list[Any]:
    """What was heard, without what it made of the device's memory."""
    return [message for message in heard if not isinstance(message, DeviceMemory)]


async def test_tasks_run_one_after_the_other_in_one_process() -> None:
    async with executor() as (running, heard):
        messages = await collect(running, task(num_images=2), 1)
        assert messages[0] == TaskStarted("20260101_000000_00000001", 1)
        assert [m.image_index for m in messages if isinstance(m, ImageReady)] == [0, 1]
        assert isinstance(messages[-1], TaskFinished)
        again = await collect(running, task(num_images=1), 2)
        assert isinstance(again[-1], TaskFinished)
        assert states(heard) == [ModelState("colours", "loading"), ModelState("colours", "loaded")]
        told = heard[-1]
        assert isinstance(told, DeviceMemory) and 0 < told.free <= told.total
        assert heard.index(ModelState("colours", "loaded")) < heard.index(told)

        running.cancel("20260101_000000_00000001", 3)  # nothing runs: this is nobody's to stop
        assert isinstance((await collect(running, task(), 3))[-1], TaskFinished)

        slow = task(steps=150, delay=0.05)
        seen: list[TaskMessage] = []
        async for message in running.run("0", slow, 4):
            seen.append(message)
            running.cancel(slow.job_id, 4)
        assert isinstance(seen[-1], TaskCancelled)

        with pytest.raises(WorkerLost) as caught:
            await collect(running, task("exit at step 2"), 5)
        assert caught.value.started
        assert heard[-2:] == [DeviceMemory(), ModelState("colours", "unloaded")]
        assert isinstance((await collect(running, task(), 6))[-1], TaskFinished)


async def test_a_worker_that_ended_of_its_own_accord_is_replaced() -> None:
    async with executor(keep_alive=0) as (running, _):
        for attempt in (1, 2):
            messages = await collect(running, task(), attempt)
            assert isinstance(messages[-1], TaskFinished)


async def test_a_task_is_cancelled_while_its_worker_starts() -> None:
    async with executor() as (running, _):
        collecting = asyncio.create_task(collect(running, task(), 1))
        await asyncio.sleep(0.01)
        running.cancel(task().job_id, 1)
        assert await collecting == [TaskCancelled()]


async def test_looking_for_weights_holds_nothing_up_and_a_cancel_meanwhile_is_heard() -> None:
    looking, proceed = threading.Event(), threading.Event()

    def weights(model: str) -> Weights:
        looking.set()
        assert proceed.wait(20)
        return weights_at()

    running = ProcessExecutor({"device": "cpu", "plugin_folder": str(PLUGINS)}, weights)
    running.load("colours")
    collecting = asyncio.create_task(collect(running, task(), 1))
    await asyncio.to_thread(looking.wait, 20)
    running.cancel(task().job_id, 1)
    proceed.set()
    assert await collecting == [TaskCancelled()]
    await running.close()


async def test_a_loaded_model_that_is_loaded_again_says_so() -> None:
    async with executor() as (running, heard):
        for expected in (["loading", "loading", "loaded"], ["loading", "loaded"]):
            running.load("colours")
            await asyncio.sleep(0)
            while ModelState("colours", "loaded") not in heard:
                await asyncio.sleep(0.02)
            told = [message.state for message in heard if isinstance(message, ModelState)]
            assert told == expected, "the executor says it first, then the worker"
            heard.clear()


async def test_a_killed_worker_is_missed_although_its_child_lives_on(tmp_path: Path) -> None:
    folder = fill_folder(tmp_path / "plugins", COLOURS)
    (folder / "spawning.py").write_text(SPAWNING)
    async with executor(plugin_folder=str(folder)) as (running, _):
        order = task(steps=150, delay=0.05)
        child: psutil.Process | None = None
        with pytest.raises(WorkerLost):
            async for _message in running.run("0", order, 1):
                worker = running._worker
                assert worker is not None
                if child is None and (children := psutil.Process(worker.pid).children()):
                    child = children[0]
                    worker.kill()
        assert child is not None and child.is_running()
    child.kill()


async def test_a_worker_that_cannot_start_says_why() -> None:
    async with executor(device="cuda:99") as (running, heard):
        with pytest.raises(WorkerLost) as caught:
            await collect(running, task(), 1)
        assert not caught.value.started
        assert "cuda:99" in caught.value.detail
        running.load("colours")
        while not (told := states(heard)) or told[-1].state == "loading":
            await asyncio.sleep(0.05)
        assert told[-1].state == "failed" and "ended" in told[-1].message


async def test_closing_ends_a_worker_that_is_just_starting() -> None:
    async with executor() as (running, heard):
        running.load("colours")
        await asyncio.sleep(0.01)
    # Unloaded, where the worker had been told to load by then.
    assert heard[-1].state in ("failed", "unloaded")
    assert running._worker is None or not running._worker.alive
