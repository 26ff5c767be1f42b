"""The registry over a real folder: what is read again, what stays known, what is removed."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from server.database import Database
from server.errors import InvalidParameters
from server.lora_errors import LoraBundled, LoraNotFound
from server.loras.reading import RescanSummary
from server.loras.registry import LoraRegistry
from tests.unit.loras.builders import families, family, lora, registry, settle, sidecar

VERSION = {"id": 5, "modelId": 4, "name": "v1", "trainedWords": ["ohwx"], "model": {"name": "Ink"}}


def ids(found: LoraRegistry) -> list[str]:
    return [record.id for record in found.records()]


async def test_what_a_file_alone_tells(tmp_path: Path) -> None:
    metadata = {"ss_network_alpha": "4", "ss_base_model_version": "oak_v1", "ss_output_name": "ink"}
    path = lora(tmp_path / "loras" / "x.safetensors", rank=3, metadata=metadata)
    async with registry(tmp_path) as found:
        (record,) = found.records()
    assert record.id == f"local_{record.autov3[:12]}"
    assert (record.name, record.title, record.filename) == ("ink", "ink", "x.safetensors")
    assert (record.family, record.unsupported, record.network_type) == ("oak", None, "lora")
    assert (record.rank, record.alpha, record.base_model) == (3, 4.0, "oak_v1")
    assert record.size == path.stat().st_size and record.autov2 == record.sha256[:10]
    assert (record.weight, record.trigger_weight, record.trigger_words) == (None, None, ())
    assert (record.path, record.preview, record.bundled) == (path, None, False)


async def test_an_unchanged_library_is_not_read_again(tmp_path: Path) -> None:
    path = lora(tmp_path / "loras" / "x.safetensors", seed=1)
    async with registry(tmp_path) as found:
        (before,) = ids(found)
    async with registry(tmp_path) as found:
        assert await found.rescan() == RescanSummary(unchanged=1, total=1)
        assert ids(found) == [before]
        status = path.stat()
        path.write_bytes(path.read_bytes()[:-8] + bytes(8))  # other numbers, as many bytes
        os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))
        summary = await found.rescan()
        assert (summary.changed, summary.unchanged, summary.total) == (1, 0, 1)
        assert ids(found) != [before]


async def test_what_was_known_is_known_before_anything_is_looked_at(tmp_path: Path) -> None:
    path = lora(tmp_path / "loras" / "x.safetensors")
    async with registry(tmp_path) as found:
        (before,) = ids(found)
    path.unlink()
    database = Database(tmp_path / "darkroom.db")
    again = LoraRegistry(database, tmp_path / "loras", families())
    await again.start(watch=False)
    assert ids(again) == [before] and again.path(before) is None
    await again.rescan()
    assert ids(again) == []
    await again.stop()
    database.close()


async def test_ids_and_edits_follow_a_renamed_file(tmp_path: Path) -> None:
    path = lora(tmp_path / "loras" / "civitai_5.safetensors")
    async with registry(tmp_path) as found:
        await found.edit("civitai_5", {"weight": 0.4, "trigger_words": ["mine"]})
        (tmp_path / "loras" / "sub").mkdir()
        path.rename(tmp_path / "loras" / "sub" / "renamed.safetensors")
        summary = await found.rescan()
        assert (summary.added, summary.removed, summary.total) == (1, 1, 1)
        record = found.find("renamed")
        assert (record.id, record.version_id, record.weight) == ("civitai_5", 5, 0.4)
        assert record.trigger_words == ("mine",)
        with pytest.raises(LoraNotFound):
            found.find("civitai_5.safetensors")
    async with registry(tmp_path) as found:
        assert ids(found) == ["civitai_5"]


async def test_trust_in_the_order_of_the_sources(tmp_path: Path) -> None:
    metadata = {"modelspec.title": "own", "modelspec.trigger_phrase": "own", "ss_output_name": "no"}
    path = lora(tmp_path / "loras" / "x.safetensors", metadata=metadata)
    async with registry(tmp_path) as found:
        record = found.find("x")
        assert (record.name, record.trigger_words) == ("own", ("own",))
        assert found.unidentified() == [record.sha256]
        await found.note_civitai(record.sha256, VERSION)
        record = found.find("civitai_5")
        assert (record.name, record.title, record.trigger_words) == ("Ink", "Ink – v1", ("ohwx",))
        assert found.unidentified() == []
        sidecar(path, ".json", {"activation text": "beside", "preferred weight": 0.6})
        assert (await found.rescan()).changed == 1
        record = found.find("civitai_5")
        assert (record.name, record.trigger_words, record.weight) == ("Ink", ("beside",), 0.6)
        edited = await found.edit("x", {"name": "Mine", "trigger_words": [], "weight": -1})
        assert (edited.name, edited.trigger_words, edited.weight) == ("Mine", (), -1.0)
        assert (edited.title, found.find("Mine")) == ("Ink – v1", edited)
        reset = await found.edit("x", {"name": None, "trigger_words": None})
        assert (reset.name, reset.trigger_words, reset.weight) == ("Ink", ("beside",), -1.0)


async def test_what_civitai_does_not_know_is_not_asked_again(tmp_path: Path) -> None:
    lora(tmp_path / "loras" / "x.safetensors")
    async with registry(tmp_path) as found:
        (sha256,) = found.unidentified()
        await found.note_civitai(sha256, None)
        assert found.unidentified() == []
    async with registry(tmp_path) as found:
        assert found.unidentified() == []


async def test_edits_are_checked(tmp_path: Path) -> None:
    lora(tmp_path / "loras" / "x.safetensors")
    async with registry(tmp_path) as found:
        for changes in (
            {"weight": 2.1}, {"trigger_weight": -0.1}, {"weight": "1"}, {"name": " "},
            {"name": "x" * 201}, {"trigger_words": ["\x00"]}, {"trigger_words": "ohwx"},
            {"trigger_words": ["a"] * 101}, {"notes": 5}, {"sha256": "0"},
        ):  # fmt: skip
            with pytest.raises(InvalidParameters):
                await found.edit("x", changes)
        edited = await found.edit("x", {"name": " a\nb ", "trigger_words": [" c ", "c", "d, e"]})
        assert (edited.name, edited.trigger_words) == ("a b", ("c", "d, e"))


async def test_copies_are_one_lora(tmp_path: Path) -> None:
    first = lora(tmp_path / "loras" / "a.safetensors")
    second = tmp_path / "loras" / "sub" / "b.safetensors"
    second.parent.mkdir()
    shutil.copy2(first, second)
    async with registry(tmp_path) as found:
        (record,) = found.records()
        assert (record.path, found.find("b"), found.at(second)) == (first, record, record)
        first.unlink()
        assert found.path(record.id) == second
        await found.rescan()
        (left,) = found.records()
        assert (left.id, left.path) == (record.id, second)


async def test_other_metadata_make_no_other_lora(tmp_path: Path) -> None:
    lora(tmp_path / "loras" / "a.safetensors")
    lora(tmp_path / "loras" / "b.safetensors", metadata={"modelspec.title": "added later"})
    async with registry(tmp_path) as found:
        assert len(ids(found)) == 1
        await found.edit("a", {"notes": "kept"})
        (tmp_path / "loras" / "a.safetensors").unlink()
        await found.rescan()
        assert found.find("b").notes == "kept"


async def test_two_files_that_claim_one_version(tmp_path: Path) -> None:
    lora(tmp_path / "loras" / "z_civitai_5.safetensors", seed=1)
    async with registry(tmp_path) as found:
        lora(tmp_path / "loras" / "a_civitai_5.safetensors", seed=2)
        await found.rescan()
        assert found.find("civitai_5").filename == "z_civitai_5.safetensors", "it was first"
        second = found.find("a_civitai_5")
        assert (second.id, second.version_id) == (f"local_{second.autov3[:12]}", 5)
        await found.delete("civitai_5", file=True)
        assert ids(found) == ["civitai_5"]


async def test_files_that_no_model_can_use_are_listed_with_the_reason(tmp_path: Path) -> None:
    folder = tmp_path / "loras"
    lora(folder / "strange.safetensors", width=5, metadata={"modelspec.architecture": "pine-2"})
    settle(folder / "strange.safetensors")
    for name, content in (("page.safetensors", b"<!DOCTYPE html>"), ("old.pt", b"\x80\x02x")):
        (folder / name).write_bytes(content)
        settle(folder / name)
    async with registry(tmp_path) as found:
        reasons = {record.filename: record.unsupported for record in found.records()}
        families = {record.family for record in found.records()}
        assert len(set(ids(found))) == 3 and found.usable("oak") == []
    assert families == {None}
    assert "knows its layers" in str(reasons["strange.safetensors"])
    assert "pine-2" in str(reasons["strange.safetensors"])
    assert "no safetensors file" in str(reasons["page.safetensors"])
    assert "pickle" in str(reasons["old.pt"])


async def test_two_claims_are_decided_by_what_a_sidecar_says(tmp_path: Path) -> None:
    path = lora(tmp_path / "loras" / "x.safetensors")
    both = (family("oak"), family("elm", width=8))
    async with registry(tmp_path, *both) as found:
        assert "`oak` and `elm`" in str(found.find("x").unsupported)
        sidecar(path, ".civitai.info", {"baseModel": "Elm XL"})
        await found.rescan()
        assert (found.find("x").family, found.find("x").unsupported) == ("elm", None)


async def test_families_that_come_later_are_asked_too(tmp_path: Path) -> None:
    lora(tmp_path / "loras" / "x.safetensors", width=5)
    async with registry(tmp_path) as found:
        assert found.find("x").family is None
    async with registry(tmp_path, family("oak", width=5)) as found:
        assert found.find("x").family == "oak"


async def test_a_family_that_raises_is_asked_again(tmp_path: Path) -> None:
    lora(tmp_path / "loras" / "x.safetensors")
    answers: list[Exception | bool] = [RuntimeError("not yet"), True]
    faults: list[str] = []

    def recognizes(shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str]) -> bool:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    some = family("oak", recognizes_lora=recognizes)
    async with registry(tmp_path, some, fault=lambda name, text: faults.append(text)) as found:
        await found.rescan()
        assert found.find("x").family == "oak"
    assert len(faults) == 1 and "not yet" in faults[0]


async def test_files_on_their_way_are_not_listed_until_they_are_whole(tmp_path: Path) -> None:
    whole = lora(tmp_path / "whole.safetensors")
    content = whole.read_bytes()
    path = tmp_path / "loras" / "x.safetensors"
    async with registry(tmp_path) as found:
        for part in (b"", content[:7], content[:100], content[:-1]):
            path.write_bytes(part)
            settle(path)
            summary = await found.rescan()
            assert (summary.incomplete, summary.total, ids(found)) == (1, 0, [])
        path.write_bytes(bytes(len(content)))  # some programs make room first
        settle(path)
        assert (await found.rescan()).incomplete == 1
        path.write_bytes(content)
        settle(path)
        assert await found.rescan() == RescanSummary(added=1, total=1)
        path.write_bytes(content[:-1])  # and it is written anew
        assert (await found.rescan()).incomplete == 1
        assert ids(found) == []


async def test_a_file_that_was_written_just_now_is_looked_at_again(tmp_path: Path) -> None:
    whole = lora(tmp_path / "whole.safetensors")
    async with registry(tmp_path) as found:
        (tmp_path / "loras" / "x.safetensors").write_bytes(whole.read_bytes())
        async with asyncio.timeout(10):
            await found.rescan()
            while not ids(found):
                await asyncio.sleep(0.02)
        assert [record.filename for record in found.records()] == ["x.safetensors"]


async def test_deleting_without_the_file_forgets_what_was_changed(tmp_path: Path) -> None:
    path = lora(tmp_path / "loras" / "x.safetensors")
    async with registry(tmp_path) as found:
        await found.note_civitai(found.find("x").sha256, VERSION)
        await found.edit("x", {"name": "Mine"})
        await found.delete("x")
        record = found.find("x")
        assert (record.id, record.name) == (f"local_{record.autov3[:12]}", "x")
        assert path.is_file() and found.unidentified() == [record.sha256]


async def test_deleting_the_file_takes_all_that_belongs_to_it(tmp_path: Path) -> None:
    folder = tmp_path / "loras"
    path = lora(folder / "x.safetensors")
    shutil.copy2(path, folder / "copy.safetensors")
    lora(folder / "y.safetensors", seed=1)
    kept = [sidecar(folder / "y.safetensors", ".json", {}), folder / "y.safetensors"]
    for ending in (".json", ".metadata.json", ".civitai.info", ".darkroom.json", ".preview.png"):
        sidecar(path, ending, {})
    (folder / "x.txt").write_text("somebody's own")
    async with registry(tmp_path) as found:
        await found.rescan()  # what the start began is over
        await found.delete("x", file=True)
        assert sorted(folder.iterdir()) == sorted([*kept, folder / "x.txt"])
        assert [record.filename for record in found.records()] == ["y.safetensors"]
        assert (await found.rescan()).removed == 0
        with pytest.raises(LoraNotFound):
            await found.delete("x", file=True)


async def test_what_lies_beside_two_files_stays_with_the_other(tmp_path: Path) -> None:
    path = lora(tmp_path / "loras" / "x.safetensors")
    settle(sidecar(path, ".pt", {}))
    beside = sidecar(path, ".json", {})
    async with registry(tmp_path) as found:
        await found.delete("x.safetensors", file=True)
        assert beside.is_file() and not path.exists()


@pytest.mark.parametrize("stem", ["x.metadata", "x.preview"])
async def test_what_is_about_another_file_stays(tmp_path: Path, stem: str) -> None:
    folder = tmp_path / "loras"
    path = lora(folder / "x.safetensors")
    lora(folder / f"{stem}.safetensors", seed=1)
    kept = [
        sidecar(path, ending, {"notes": "of x"}) for ending in (".metadata.json", ".preview.png")
    ]
    async with registry(tmp_path) as found:
        assert (found.find(stem).notes, found.find("x").notes) == ("", "of x")
        await found.delete(stem, file=True)
    assert sorted(folder.iterdir()) == sorted([path, *kept])


async def test_what_has_come_since_the_last_look_stays(tmp_path: Path) -> None:
    path = lora(tmp_path / "loras" / "x.preview.safetensors")
    picture = sidecar(path, ".png", {})
    async with registry(tmp_path) as found:
        lora(tmp_path / "loras" / "x.safetensors", seed=1)
        await found.delete("x.preview", file=True)
    assert picture.is_file() and not path.exists()


async def test_loras_of_families(tmp_path: Path) -> None:
    own = lora(tmp_path / "family" / "ink.safetensors")
    some = family("oak", folder=tmp_path / "family")
    async with registry(tmp_path, some) as found:
        (record,) = found.records()
        assert record.bundled and found.unidentified() == []
        with pytest.raises(LoraBundled, match="`oak`"):
            await found.delete("ink", file=True)
        assert own.is_file()
        await found.edit("ink", {"weight": 0.5})
        mine = Path(shutil.copy2(own, tmp_path / "loras" / "mine.safetensors"))
        sidecar(mine, ".json", {"sd version": "SDXL"})
        await found.rescan()
        (record,) = found.records()
        assert (record.filename, record.bundled, record.weight) == ("mine.safetensors", False, 0.5)
        assert (record.family, record.base_model) == ("oak", "SDXL"), "it came with the family"
        await found.delete("ink", file=True)
        assert [record.filename for record in found.records()] == ["ink.safetensors"]


async def test_loras_of_families_are_there_once_it_has_started(tmp_path: Path) -> None:
    lora(tmp_path / "family" / "ink.safetensors")
    database = Database(tmp_path / "darkroom.db")
    found = LoraRegistry(
        database, tmp_path / "loras", families(family("oak", folder=tmp_path / "family"))
    )
    await found.start(watch=False)
    assert [record.filename for record in found.records()] == ["ink.safetensors"]
    await found.stop()
    database.close()


async def test_a_folder_that_comes_back_is_not_read_again(tmp_path: Path) -> None:
    lora(tmp_path / "loras" / "civitai_5.safetensors")
    async with registry(tmp_path) as found:
        (tmp_path / "loras").rename(tmp_path / "unplugged")
        assert (await found.rescan()).removed == 1
        assert ids(found) == []
        (tmp_path / "unplugged").rename(tmp_path / "loras")
        assert (await found.rescan()).added == 1
        assert ids(found) == ["civitai_5"]
