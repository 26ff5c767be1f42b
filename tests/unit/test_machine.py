"""What is told of the machine: memory, disks, and what a worker says of its device."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from server import machine as module
from server.folders import Folders
from server.machine import Machine, Space
from server.snapshots import DeviceMemory
from server.worker.memory import Memory


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    folders = Folders.of(tmp_path)
    for folder in folders.all:
        folder.mkdir(parents=True, exist_ok=True)
    return Machine(folders)


def test_the_device_is_as_the_worker_said_last(machine: Machine) -> None:
    assert machine.device_memory is None
    machine.note(DeviceMemory(free=30, total=80))
    machine.note(DeviceMemory(free=20, total=80))
    assert machine.device_memory == Space(total=80, free=20)
    machine.note(DeviceMemory())
    assert machine.device_memory is None, "the worker was lost"


def test_memory_is_that_of_the_machine_or_less(machine: Machine) -> None:
    found = machine.memory()
    assert found is not None
    assert 0 < found.free <= found.total <= psutil.virtual_memory().total


def _raises(error: Exception) -> Callable[[], Memory]:
    def of_host() -> Memory:
        raise error

    return of_host


@pytest.mark.parametrize(
    "of_host",
    [lambda: Memory(0, 0), _raises(PermissionError("/proc/meminfo")), _raises(KeyError("MemFree"))],
    ids=["a system that does not tell", "a file that is not for us", "a file without the line"],
)
def test_memory_may_be_unknown(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, of_host: Callable[[], Memory]
) -> None:
    monkeypatch.setattr(module, "of_host", of_host)
    assert machine.memory() is None


def test_disks_are_those_of_the_folders_that_are_there(machine: Machine, tmp_path: Path) -> None:
    usage = shutil.disk_usage(tmp_path)
    found = machine.storage()
    assert list(found) == ["images", "models", "loras"]
    assert {space.total for space in found.values()} == {usage.total}
    assert all(0 <= space.free <= space.total for space in found.values())
    (tmp_path / "models").rmdir()
    assert list(machine.storage()) == ["images", "loras"]
