"""Several who look at the folders at a time."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
from watchfiles import Change

import server.loras.reading
from server.database import Database
from server.loras.reading import RescanSummary
from server.loras.registry import LoraRegistry
from server.loras.watching import matters
from tests.unit.loras.builders import families, family, lora, registry


async def test_several_may_ask_at_once(tmp_path: Path) -> None:
    for number in range(12):
        lora(tmp_path / "loras" / f"{number}.safetensors", seed=number)
    async with registry(tmp_path) as found:
        for number in range(12, 24):
            lora(tmp_path / "loras" / f"{number}.safetensors", seed=number)
        summaries = await asyncio.gather(*(found.rescan() for _ in range(5)))
        expected = RescanSummary(added=12, unchanged=12, total=24)
        assert summaries == [expected] * 5
        assert len({record.id for record in found.records()}) == 24


async def test_a_look_that_another_ends_is_told_to_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.loras.reading, "LEAST", 0.0)
    begun, go_on = threading.Event(), threading.Event()

    def recognizes(shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str]) -> bool:
        begun.set()
        return go_on.wait(20)

    async with registry(tmp_path, family("oak", recognizes_lora=recognizes)) as found:
        for number in range(3):
            lora(tmp_path / "loras" / f"{number}.safetensors", seed=number)
        first = asyncio.create_task(found.rescan())
        assert await asyncio.to_thread(begun.wait, 20)
        second = asyncio.create_task(found.rescan())
        await asyncio.sleep(0)
        go_on.set()
        assert await first == await second == RescanSummary(added=3, total=3)


async def test_who_asks_again_and_again_keeps_nothing_from_being_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server.loras.reading, "LEAST", 0.0)
    for number in range(5):
        lora(tmp_path / "loras" / f"{number}.safetensors", seed=number)
    database = Database(tmp_path / "darkroom.db")
    found = LoraRegistry(database, tmp_path / "loras", families())
    asked: list[asyncio.Task[RescanSummary]] = []
    with contextlib.closing(database):
        async with asyncio.timeout(20):
            while len(found.records()) < 5:
                asked.append(asyncio.create_task(found.rescan()))
                await asyncio.sleep(0.001)
            summaries = await asyncio.gather(*asked)
    assert {summary.total for summary in summaries} == {5}


@pytest.mark.parametrize(
    ("change", "name", "expected"),
    [
        (Change.modified, "x.safetensors", True),
        (Change.added, "sub/X.PT", True),
        (Change.modified, "x.civitai.info", True),
        (Change.added, "x.preview.webp", True),
        (Change.added, "folder", True),
        (Change.deleted, "anything", True),
        (Change.added, "big.crdownload", False),
        (Change.modified, "big.crdownload", False),
        (Change.modified, "folder", False),
        (Change.added, ".x.safetensors", False),
        (Change.deleted, ".x.safetensors", False),
    ],
)
def test_which_changes_are_worth_a_look(
    tmp_path: Path, change: Change, name: str, *, expected: bool
) -> None:
    (tmp_path / "folder").mkdir()
    assert matters(change, str(tmp_path / name)) is expected
