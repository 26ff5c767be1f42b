"""Free and total memory."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch

from server.worker.memory import Memory, of_device, of_host

MIB = 2**20


def machine(root: Path, groups: str) -> Path:
    """A machine with 8 MiB free of 16, this process in `groups`."""
    proc = root / "proc/self"
    proc.mkdir(parents=True)
    (root / "proc/meminfo").write_text(
        "MemTotal:       16384 kB\nMemFree:          1024 kB\nMemAvailable:    8192 kB\n"
    )
    (proc / "cgroup").write_text(groups)
    return root


def write(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(f"{content}\n")


def test_this_machine_tells_what_psutil_tells() -> None:
    here = of_host()
    assert 0 < here.free <= here.total <= psutil.virtual_memory().total
    assert of_device("cpu").total == here.total


def test_without_groups_it_is_the_machine(tmp_path: Path) -> None:
    assert of_host(machine(tmp_path, "0::/\n")) == Memory(8 * MIB, 16 * MIB)


def test_a_limit_around_the_own_group_counts_and_files_can_go(tmp_path: Path) -> None:
    root = machine(tmp_path, "0::/user/session\n")
    mounted = root / "sys/fs/cgroup"
    write(mounted / "user/session", memory__max="max", memory__current=MIB, memory__stat="")
    stat = f"anon {2 * MIB}\ninactive_file {MIB}"
    write(mounted / "user", memory__max=4 * MIB, memory__current=3 * MIB, memory__stat=stat)
    assert of_host(root) == Memory(2 * MIB, 4 * MIB)


def test_a_limit_of_version_1_at_the_mount_of_a_container(tmp_path: Path) -> None:
    root = machine(tmp_path, "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/\n")
    write(
        root / "sys/fs/cgroup/memory",
        memory__limit_in_bytes=6 * MIB,
        memory__usage_in_bytes=5 * MIB,
        memory__stat=f"inactive_file 0\ntotal_inactive_file {2 * MIB}",
    )
    assert of_host(root) == Memory(3 * MIB, 6 * MIB)


def test_a_group_without_a_limit_of_version_1_is_the_machine(tmp_path: Path) -> None:
    root = machine(tmp_path, "4:memory:/\n")
    write(
        root / "sys/fs/cgroup/memory",
        memory__limit_in_bytes=0x7FFFFFFFFFFFF000,
        memory__usage_in_bytes=5 * MIB,
        memory__stat="",
    )
    assert of_host(root) == Memory(8 * MIB, 16 * MIB)


def test_where_the_system_lists_nothing_half_counts_as_free(tmp_path: Path) -> None:
    here = of_host(tmp_path)
    assert here.total == psutil.virtual_memory().total
    assert here.free == here.total // 2


def test_what_torch_keeps_on_a_gpu_counts_as_free(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = SimpleNamespace(
        mem_get_info=lambda _: (10, 100),
        memory_reserved=lambda _: 30,
        memory_allocated=lambda _: 25,
    )
    monkeypatch.setattr(torch, "cuda", backend)
    assert of_device("cuda:1") == Memory(15, 100)


def test_a_driver_that_does_not_tell_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: str) -> None:
        raise RuntimeError("not supported")

    backend = SimpleNamespace(
        mem_get_info=refuse,
        get_device_properties=lambda _: SimpleNamespace(total_memory=100),
        memory_reserved=lambda _: 30,
        memory_allocated=lambda _: 25,
    )
    monkeypatch.setattr(torch, "xpu", backend)
    assert of_device("xpu") == Memory(75, 100)


def test_an_apple_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = SimpleNamespace(
        recommended_max_memory=lambda: 100, current_allocated_memory=lambda: 25
    )
    monkeypatch.setattr(torch, "mps", backend)
    assert of_device("mps") == Memory(75, 100)
