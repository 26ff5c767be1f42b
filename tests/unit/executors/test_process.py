"""A worker process and its parent, with the family that needs no torch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from server.errors import WorkerLost
from server.executors.process import ProcessExecutor
from server.generation import Task
from server.plugins.manager import discover
from server.snapshots import (
    ImageReady,
    ModelState,
    PluginFault,
    TaskCancelled,
    TaskFinished,
    TaskMessage,
    TaskStarted,
)
from tests.support import PLUGINS


def task(prompt: str = "red", **params: Any) -> Task[Any]:
    family = discover(PLUGINS).families["colours"]
    parsed = family.params(prompt=prompt, seed=1, **params)
    indices = tuple(range(parsed.num_images))
    return Task("20260101_000000_00000001", "colours", "colours", parsed, indices)


@asynccontextmanager
async def executor(**options: Any) -> AsyncIterator[tuple[ProcessExecutor, list[Any]]]:
    heard: list[ModelState | PluginFault] = []
    running = ProcessExecutor(
        {"device": "cpu", "plugin_folder": str(PLUGINS), **options}, lambda model: "/weights"
    )
    running.listen(heard.append)
    try:
        yield running, heard
    finally:
        await running.close()


async def collect(running: ProcessExecutor, order: Task[Any], attempt: int) -> list[TaskMessage]:
    return [message async for message in running.run("0", order, attempt)]


async def test_tasks_run_one_after_the_other_in_one_process() -> None:
    async with executor() as (running, heard):
        messages = await collect(running, task(num_images=2), 1)
        assert messages[0] == TaskStarted("20260101_000000_00000001", 1)
        assert [m.image_index for m in messages if isinstance(m, ImageReady)] == [0, 1]
        assert isinstance(messages[-1], TaskFinished)
        again = await collect(running, task(num_images=1), 2)
        assert isinstance(again[-1], TaskFinished)
        assert heard == [ModelState("colours", "loading"), ModelState("colours", "loaded")]

        running.cancel("20260101_000000_00000001", 3)  # asked for before it begins
        assert await collect(running, task(), 3) == [TaskCancelled()]

        slow = task(steps=150, delay=0.05)
        seen: list[TaskMessage] = []
        async for message in running.run("0", slow, 4):
            seen.append(message)
            running.cancel(slow.job_id, 4)
        assert isinstance(seen[-1], TaskCancelled)

        with pytest.raises(WorkerLost) as caught:
            await collect(running, task("exit at step 2"), 5)
        assert caught.value.started
        assert heard[-1] == ModelState("colours", "unloaded")
        assert isinstance((await collect(running, task(), 6))[-1], TaskFinished)


async def test_a_worker_that_ended_of_its_own_accord_is_replaced() -> None:
    async with executor(keep_alive=0) as (running, _):
        for attempt in (1, 2):
            messages = await collect(running, task(), attempt)
            assert isinstance(messages[-1], TaskFinished)


async def test_a_worker_that_cannot_start_says_why() -> None:
    async with executor(device="cuda:99") as (running, heard):
        with pytest.raises(WorkerLost) as caught:
            await collect(running, task(), 1)
        assert not caught.value.started
        assert "cuda:99" in caught.value.detail
        running.load("colours")
        while not heard or heard[-1].state == "loading":
            await asyncio.sleep(0.05)
        assert heard[-1].state == "failed" and "ended" in heard[-1].message


async def test_closing_ends_a_worker_that_is_just_starting() -> None:
    async with executor() as (running, heard):
        running.load("colours")
        await asyncio.sleep(0.01)
    assert heard[-1].state == "failed"
    assert running._worker is None or not running._worker.alive
