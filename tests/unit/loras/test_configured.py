"""The LoRAs that the configuration names: which are missing, and which its words are about."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from server.lora_entry import LoraEntry
from server.loras.adding import LoraAdder
from server.loras.configured import Configured, configured
from server.loras.references import read
from server.loras.registry import LoraRegistry
from tests.fake_sources import FakeSources, lora
from tests.unit.loras import builders
from tests.unit.loras.builders import registry


@pytest.fixture
def fake() -> Iterator[FakeSources]:
    with FakeSources() as sources:
        yield sources


def entry_of(ref: str) -> tuple[Configured, ...]:
    return configured([LoraEntry(ref=ref, weight=0.3)])


def adder_of(found: LoraRegistry, fake: FakeSources, folder: Path) -> LoraAdder:
    return LoraAdder(folder / "loras", found, fake.client, limit=100_000)


@pytest.mark.parametrize("place", ["an address", "a repository", "a file"])
async def test_what_is_here_from_elsewhere_is_not_missing_again(
    fake: FakeSources, tmp_path: Path, place: str
) -> None:
    fake.add_lora(70, 7, lora())
    fake.blobs["x.safetensors"] = lora()
    fake.add_repository("org/name", {"x.safetensors": lora()})
    mine = tmp_path / "mine.safetensors"
    mine.write_bytes(lora())
    entries = entry_of(
        {
            "an address": f"{fake.files_url}/blobs/x.safetensors?key=1",
            "a repository": "org/name:x.safetensors",
            "a file": str(mine),
        }[place]
    )
    async with registry(tmp_path, entries=entries) as found:
        adder = adder_of(found, fake, tmp_path)
        await adder.add(read("70"))
        assert found.missing() == [entries[0].reference]
        added = await adder.add(entries[0].reference)
        assert added.was_here and added.record.id == "civitai_70"
    asked = len(fake.seen)
    async with registry(tmp_path, entries=entries) as found:
        assert found.missing() == []
        assert found.find("civitai_70").weight == 0.3
        assert (await adder_of(found, fake, tmp_path).add(entries[0].reference)).was_here
    assert len(fake.seen) == asked


async def test_a_number_is_a_version_s_although_a_model_has_it(
    fake: FakeSources, tmp_path: Path
) -> None:
    fake.add_lora(900, 1377, lora(fill=1))
    fake.add_lora(1377, 5, lora(fill=2))
    entries = entry_of("civitai:1377")
    async with registry(tmp_path, entries=entries) as found:
        adder = adder_of(found, fake, tmp_path)
        await adder.add(read("900"))
        assert found.missing() == [entries[0].reference]
        assert found.find("civitai_900").weight is None
        await adder.add(entries[0].reference)
        assert found.missing() == []
        weights = [found.find(name).weight for name in ("civitai_1377", "civitai_900")]
        assert weights == [0.3, None]


async def test_a_number_that_was_found_to_be_a_model_s_is(
    fake: FakeSources, tmp_path: Path
) -> None:
    fake.add_lora(900, 1377, lora())
    entries = entry_of("1377")
    async with registry(tmp_path, entries=entries) as found:
        await adder_of(found, fake, tmp_path).add(entries[0].reference)
    async with registry(tmp_path, entries=entries) as found:
        assert found.missing() == [] and found.find("civitai_900").weight == 0.3


async def test_files_of_the_same_tensors_are_each_added_once(
    fake: FakeSources, tmp_path: Path
) -> None:
    paths = [
        builders.lora(tmp_path / "elsewhere" / f"{name}.safetensors", metadata={"name": name})
        for name in ("a", "b")
    ]
    async with registry(tmp_path) as found:
        adder = adder_of(found, fake, tmp_path)
        added = [await adder.add(read(str(path))) for path in (*paths, *paths, paths[1])]
    assert [each.was_here for each in added] == [False, False, True, True, True]
    kept = sorted(path.name for path in (tmp_path / "loras").glob("*.safetensors"))
    assert kept == ["a.safetensors", "b.safetensors"]
