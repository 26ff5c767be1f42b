"""What is on its way here has a folder of its own, which is swept when nobody goes on with it."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from server.loras.staging import DOWNLOADS, FORGOTTEN, Staging, clear


def begun(loras: Path, name: str, age: float) -> Path:
    part = loras / DOWNLOADS / name / "x.safetensors.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"1")
    for path in (part, part.parent):
        os.utime(path, (time.time() - age,) * 2)
    return part


def below(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_what_nobody_goes_on_with_is_removed(tmp_path: Path) -> None:
    for name, age in (("old", FORGOTTEN + 60), ("new", 60), ("held", FORGOTTEN + 60)):
        begun(tmp_path, name, age)
    (tmp_path / DOWNLOADS / "killed.lock").touch()
    async with Staging(tmp_path).hold("held"):
        await asyncio.to_thread(Staging(tmp_path).sweep)
        assert below(tmp_path / DOWNLOADS) == ["held", "held.lock", "new"]
    Staging(tmp_path).sweep()
    assert below(tmp_path / DOWNLOADS) == ["new"]


async def test_one_at_a_time_has_it(tmp_path: Path) -> None:
    stagings = [Staging(tmp_path) for _ in range(3)]
    at_work: list[int] = []

    async def work(staging: Staging) -> None:
        async with staging.hold("x") as folder:
            at_work.append(1)
            await asyncio.to_thread(folder.mkdir)
            await asyncio.sleep(0.01)
            assert len(at_work) == 1
            await asyncio.to_thread(clear, folder)
            at_work.clear()

    await asyncio.gather(*[work(staging) for staging in stagings * 4])
    assert below(tmp_path) == [], "nor their folder"
