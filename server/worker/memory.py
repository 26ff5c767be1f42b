"""How much memory a device and this machine have, and how much of it is free."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Where a control group tells its limit, its use, and what of the use are files that need not stay
#: in memory: of version 2 (one hierarchy), and of version 1 (one per controller).
_CGROUP_2 = ("memory.max", "memory.current", "inactive_file")
_CGROUP_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of memory. `free` is what this process could still take."""

    free: int
    total: int


def of_device(name: str) -> Memory:
    """The memory of the device that torch calls `name`: `cpu`, `cuda:1`, `mps`, say.

    What torch keeps for later counts as free. An Apple GPU tells neither what other programs use
    nor a hard limit: its total is what the system recommends.
    """
    if name == "cpu":
        return of_host()
    import torch

    kind = name.partition(":")[0]
    backend: Any = getattr(torch, kind)
    if kind == "mps":
        total = backend.recommended_max_memory()
        return Memory(max(0, total - backend.current_allocated_memory()), total)
    kept = backend.memory_reserved(name) - backend.memory_allocated(name)
    try:
        free, total = backend.mem_get_info(name)
    except RuntimeError:  # some drivers for XPU do not tell what is free
        total = backend.get_device_properties(name).total_memory
        free = total - backend.memory_reserved(name)
    return Memory(free + kept, total)


def of_host(root: Path = Path("/")) -> Memory:
    """The machine's memory, or that of the container or service this process is limited to.

    Zeros where the system does not tell (Windows).

    Args:
        root: the folder with `proc` and `sys`.
    """
    machine = _machine(root)
    limits = [machine, *_groups(root)]
    return Memory(min(entry.free for entry in limits), min(entry.total for entry in limits))


def _machine(root: Path) -> Memory:
    try:
        lines = (root / "proc/meminfo").read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return _unlisted()
    words = dict(line.split(":", 1) for line in lines)
    free, total = (int(words[name].split()[0]) * 1024 for name in ("MemAvailable", "MemTotal"))
    return Memory(free, total)


def _unlisted() -> Memory:
    """Where there is no `/proc`: macOS tells only the total, of which half is taken to be free."""
    if not hasattr(os, "sysconf"):
        return Memory(0, 0)
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Memory(total // 2, total)


def _groups(root: Path) -> Iterator[Memory]:
    """The limits of this process's control groups and of those around them."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        _, controllers, place = line.split(":", 2)
        mounted = root / "sys/fs/cgroup"
        names = _CGROUP_2
        if controllers:
            mounted, names = mounted / "memory", _CGROUP_1
            if "memory" not in controllers.split(","):
                continue
        inner = mounted / place.lstrip("/")
        for folder in (inner, *inner.parents):
            if not folder.is_relative_to(mounted):
                break
            # In a container the path may be that of the machine outside, of which only the end
            # is mounted: then only the mount itself tells something.
            if (limit := _group(folder, *names)) is not None:
                yield limit


def _group(folder: Path, limit: str, use: str, files: str) -> Memory | None:
    """The limit of one group, or None if it has none."""
    try:
        total = int((folder / limit).read_text(encoding="ascii"))
        used = int((folder / use).read_text(encoding="ascii"))
        stat = (folder / "memory.stat").read_text(encoding="ascii").split()
    except (OSError, ValueError):  # no such group, or no number: "max"
        return None
    reclaimable = int(dict(zip(stat[::2], stat[1::2], strict=False)).get(files, 0))
    return Memory(max(0, total - used + reclaimable), total)
