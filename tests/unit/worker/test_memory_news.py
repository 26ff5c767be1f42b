"""When the server is told of the device's memory."""

from __future__ import annotations

import pytest

from server.snapshots import DeviceMemory, ModelState, StepDone, TaskFinished, WorkerMessage
from server.worker import memory
from server.worker.memory import Memory
from server.worker.memory_news import MemoryNews


@pytest.fixture
def sent() -> list[WorkerMessage]:
    return []


@pytest.fixture
def news(sent: list[WorkerMessage], monkeypatch: pytest.MonkeyPatch) -> MemoryNews:
    """On a device that has less free each time."""
    free = iter(range(90, 0, -10))
    monkeypatch.setattr(memory, "of_device", lambda name: Memory(next(free), 100))
    return MemoryNews(sent.append, "cuda:1")


@pytest.mark.parametrize("state", ["loaded", "in_ram", "unloaded"])
def test_a_model_that_came_or_went_is_followed_by_what_is_free(
    news: MemoryNews, sent: list[WorkerMessage], state: str
) -> None:
    message = ModelState("colours", state)
    news(message)
    assert sent == [message, DeviceMemory(free=90, total=100)]
    news.tell()
    assert sent[2:] == [DeviceMemory(free=80, total=100)]


@pytest.mark.parametrize(
    "message",
    [
        ModelState("colours", "loading"),
        ModelState("colours", "failed", "no"),
        StepDone(0, 1, 2),
        TaskFinished(),
    ],
    ids=str,
)
def test_other_messages_are_only_passed_on(
    news: MemoryNews, sent: list[WorkerMessage], message: WorkerMessage
) -> None:
    news(message)
    assert sent == [message]


def test_what_is_as_it_was_is_not_told_again(
    sent: list[WorkerMessage], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = iter([Memory(90, 100), Memory(90, 100), Memory(80, 100), Memory(90, 100)])
    monkeypatch.setattr(memory, "of_device", lambda name: next(found))
    news, loaded = MemoryNews(sent.append, "cuda:1"), ModelState("colours", "loaded")
    news(loaded)
    news.tell()  # the command that loaded it has ended
    assert sent == [loaded, DeviceMemory(free=90, total=100)]
    news.tell()
    news.tell()
    assert sent[2:] == [DeviceMemory(free=80, total=100), DeviceMemory(free=90, total=100)]


def test_a_system_that_does_not_tell_is_not_one_without_memory(
    sent: list[WorkerMessage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "of_device", lambda name: Memory(0, 0))
    MemoryNews(sent.append, "cpu").tell()
    assert sent == [DeviceMemory(None, None)]


def test_a_device_that_refuses_to_tell_ends_nothing(
    sent: list[WorkerMessage], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(name: str) -> Memory:
        raise RuntimeError("an illegal memory access was encountered")

    monkeypatch.setattr(memory, "of_device", broken)
    MemoryNews(sent.append, "cuda:1").tell()
    assert sent == [DeviceMemory(None, None)]
    assert "The memory of cuda:1 cannot be told" in caplog.text
    assert "illegal memory access" in caplog.text
