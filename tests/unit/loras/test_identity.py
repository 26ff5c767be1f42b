"""An id means the same contents, whatever becomes of files, sidecars and what is known of them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from server.lora_errors import LoraNotFound
from tests.unit.loras.builders import family, lora, registry, sidecar


def alike(*paths: Path) -> None:
    """Give files the same date, as an archive does."""
    for path in paths:
        os.utime(path, (1_000_000_000, 1_000_000_000))


async def test_swapped_names(tmp_path: Path) -> None:
    folder = tmp_path / "loras"
    first, second = (lora(folder / f"{name}.safetensors", seed=ord(name)) for name in "ab")
    alike(first, second)
    async with registry(tmp_path) as found:
        known = {path.read_bytes(): found.find(path.stem) for path in (first, second)}
        first.rename(folder / "c")
        second.rename(first)
        (folder / "c").rename(second)
        assert [found.path(record.id) for record in known.values()] == [None, None]
        for content, record in known.items():
            located = await found.locate(record.id, record.autov3)
            assert located is not None and located.read_bytes() == content
            assert found.path(record.id) == located
        assert (await found.rescan()).unchanged == 2


async def test_other_contents_under_the_same_name(tmp_path: Path) -> None:
    path = lora(tmp_path / "loras" / "x.safetensors")
    other = lora(tmp_path / "other.safetensors", seed=1)
    alike(path, other)
    async with registry(tmp_path) as found:
        record = found.find("x")
        shutil.copyfile(other, path)
        alike(path)
        assert path.stat().st_size == record.size and found.path("x") is None
        assert await found.locate(record.id, record.autov3) is None
        assert found.path("x") == path, "it is another LoRA now"
        assert found.find("x").id != record.id


async def test_the_same_contents_with_another_stamp(tmp_path: Path) -> None:
    path = lora(tmp_path / "loras" / "x.safetensors")
    async with registry(tmp_path) as found:
        alike(path)
        path.chmod(0o600)
        assert found.path("x") == path, "it was read to see that"


async def test_a_file_that_was_renamed_just_now(tmp_path: Path) -> None:
    path = lora(tmp_path / "loras" / "x.safetensors")
    async with registry(tmp_path) as found:
        record = found.find("x")
        renamed = path.rename(path.with_name("y.safetensors"))
        assert found.path(record.id) is None
        assert await found.locate(record.id, record.autov3) == renamed
        assert await found.locate("nobody") is None


async def test_an_earlier_id_leads_to_the_lora(tmp_path: Path) -> None:
    path = lora(tmp_path / "loras" / "x.safetensors")
    beside = sidecar(path, ".civitai.info", {"id": 5})
    other = lora(tmp_path / "loras" / "y.safetensors", seed=1)
    sidecar(other, ".civitai.info", {"id": 8, "modelId": 5})
    async with registry(tmp_path) as found:
        record = found.find("civitai_5")
        await found.note_civitai(record.sha256, {"id": 70, "modelId": 7})
        assert found.find("civitai_70").path == path
        assert found.find("civitai_5").id == "civitai_70", "and not the one of model 5"
        assert "civitai_5" in found.find("civitai_70").aliases
        assert found.path("civitai_5", record.autov3) == path
        beside.unlink()
    async with registry(tmp_path) as found:
        assert found.find("civitai_5").id == "civitai_70"
        sidecar(other, ".civitai.info", {"id": 5})
        await found.rescan()
        assert found.find("civitai_5").path == other, "whose id it is now"
        assert "civitai_5" not in found.find("civitai_70").aliases
        assert found.path("civitai_5", record.autov3) == path, "a request meant the other contents"
        await found.delete("civitai_70")
        with pytest.raises(LoraNotFound):
            found.find("civitai_70")


async def test_who_has_an_id_keeps_it(tmp_path: Path) -> None:
    first = lora(tmp_path / "loras" / "first.safetensors")
    async with registry(tmp_path) as found:
        second = lora(tmp_path / "loras" / "second.safetensors", seed=1)
        sidecar(second, ".civitai.info", {"id": 5})
        await found.rescan()
        sidecar(first, ".civitai.info", {"id": 5})
        await found.rescan()
        assert found.find("civitai_5").path == second
        assert found.find("first").id.startswith("local_")


async def test_a_program_with_other_families_changes_nothing_here(tmp_path: Path) -> None:
    lora(tmp_path / "loras" / "x.safetensors")
    lora(tmp_path / "loras" / "y.safetensors", seed=1)
    async with registry(tmp_path, family("oak")) as running:
        async with registry(tmp_path, family("elm")) as listing:
            assert {record.family for record in listing.records()} == {None}
        await running.edit("y", {"weight": 0.5})
        assert {record.family for record in running.records()} == {"oak"}
        assert (await running.rescan()).unchanged == 2, "nor is anything read again"
