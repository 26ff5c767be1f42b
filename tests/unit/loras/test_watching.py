"""Files that come, change and go while somebody watches."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from server.loras.registry import LoraRegistry
from server.loras.watching import FolderWatch
from tests.unit.loras.builders import lora, registry, sidecar


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


def names(found: LoraRegistry) -> list[str]:
    return [record.filename for record in found.records()]


async def test_a_file_appears_changes_and_goes(tmp_path: Path) -> None:
    made = lora(tmp_path / "made.safetensors")
    path = tmp_path / "loras" / "sub" / "x.safetensors"
    async with registry(tmp_path, watch=True) as found:
        path.parent.mkdir()
        shutil.copyfile(made, path)
        await until(lambda: names(found) == ["sub/x.safetensors"])
        before = found.records()[0].sha256
        sidecar(path, ".json", {"activation text": "ohwx"})
        await until(lambda: found.records()[0].trigger_words == ("ohwx",))
        shutil.copyfile(lora(made, seed=1), path)
        await until(lambda: names(found) != [] and found.records()[0].sha256 != before)
        assert found.records()[0].trigger_words == ("ohwx",)
        path.unlink()
        await until(lambda: names(found) == [])
        assert found.at(path) is None


async def test_a_file_that_is_copied_slowly(tmp_path: Path) -> None:
    content = lora(tmp_path / "made.safetensors", rank=400).read_bytes()
    path = tmp_path / "loras" / "x.safetensors"
    listed_early = False
    async with registry(tmp_path, watch=True) as found:
        with path.open("wb") as stream:
            for begin in range(0, len(content), len(content) // 6 + 1):
                stream.write(content[begin : begin + len(content) // 6 + 1])
                stream.flush()
                whole = path.stat().st_size == len(content)
                await asyncio.sleep(0.15)
                listed_early |= not whole and names(found) != []
        await until(lambda: names(found) == ["x.safetensors"])
    assert not listed_early


async def test_the_folder_itself_goes_and_comes_back(tmp_path: Path) -> None:
    lora(tmp_path / "loras" / "x.safetensors")
    async with registry(tmp_path, watch=True) as found:
        shutil.rmtree(tmp_path / "loras")
        await until(lambda: names(found) == [])
        lora(tmp_path / "loras" / "y.safetensors")
        await until(lambda: names(found) == ["y.safetensors"])
        lora(tmp_path / "loras" / "z.safetensors", seed=1)
        await until(lambda: names(found) == ["y.safetensors", "z.safetensors"])
        assert found.path("z") == tmp_path / "loras" / "z.safetensors"


async def test_folders_behind_links_are_watched_too(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "loras").mkdir()
    (tmp_path / "loras" / "link").symlink_to(outside)
    async with registry(tmp_path, watch=True) as found:
        await asyncio.sleep(1.5)  # a look finds the link, and the watch then goes there
        lora(outside / "x.safetensors")
        await until(lambda: names(found) == ["link/x.safetensors"])
        assert found.find("x").filename == "link/x.safetensors"


async def test_where_the_system_cannot_watch_folders_are_polled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHFILES_FORCE_POLLING", "true")
    async with registry(tmp_path, watch=True) as found:
        await asyncio.sleep(0.5)
        lora(tmp_path / "loras" / "x.safetensors")
        await until(lambda: names(found) == ["x.safetensors"])
        assert found.find("x").filename == "x.safetensors"


async def test_it_ends_when_it_is_told(tmp_path: Path) -> None:
    async def changed() -> None:
        """Nothing happens."""

    for places in ([tmp_path], [tmp_path / "nowhere"], []):
        watch = FolderWatch(lambda places=places: places, changed)
        running = asyncio.create_task(watch.run())
        await asyncio.sleep(0.1)
        watch.stop()
        async with asyncio.timeout(10):
            await running
        assert running.done() and running.exception() is None
