"""LoRAs come to this machine: from civitai, the hub, any address, and other folders."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from server.loras.adding import LoraAdder
from server.loras.examination import LONGEST_HEADER
from server.loras.offers import find_offer
from server.loras.references import read
from server.loras.registry import LoraRegistry
from server.loras.staging import DOWNLOADS
from server.source_errors import (
    FileTooLarge,
    HashMismatch,
    NotALora,
    NotAWeightsFile,
    SourceAmbiguous,
    SourceFailed,
    SourceMissing,
    UnsafeFile,
)
from server.sources.download import CHUNK
from server.sources.kinds import Civitai
from tests.fake_civitai import LICENCE, PNG
from tests.fake_sources import FakeSources, answer, lora, sha256, weights
from tests.unit.loras.builders import registry

VERSION, MODEL = 1963644, 1377820
BLOB = f"/blobs/{sha256(lora())}"


@pytest.fixture
def fake() -> Iterator[FakeSources]:
    with FakeSources() as sources:
        yield sources


@pytest.fixture
async def known(tmp_path: Path) -> AsyncIterator[LoraRegistry]:
    async with registry(tmp_path) as started:
        yield started


@pytest.fixture
def adder(fake: FakeSources, known: LoraRegistry, tmp_path: Path) -> LoraAdder:
    return LoraAdder(tmp_path / "loras", known, fake.client, limit=100_000)


def names(folder: Path) -> list[str]:
    """The files of the folder of LoRAs, hidden ones too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# --- civitai -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        f"urn:air:sdxl:lora:civitai:{MODEL}@{VERSION}",
        f"https://civitai.com/models/{MODEL}/any-name?modelVersionId={VERSION}",
        f"https://civitai.com/models/{MODEL}",
        f"civitai:{VERSION}",
        str(VERSION),
    ],
)
async def test_a_version_comes_with_what_civitai_says(
    fake: FakeSources, adder: LoraAdder, tmp_path: Path, text: str
) -> None:
    told = fake.add_lora(VERSION, MODEL, lora())
    seen: list[tuple[int, int | None]] = []
    added = await adder.add(read(text), lambda there, total: seen.append((there, total)))
    record, folder = added.record, tmp_path / "loras"
    assert (record.id, record.version_id, record.model_id) == (
        f"civitai_{VERSION}",
        VERSION,
        MODEL,
    )
    assert record.path.read_bytes() == lora() and record.sha256 == sha256(lora())
    assert record.trigger_words == ("inkwash", "ink wash", "paper")
    assert record.base_model == "Illustrious" and record.license == LICENCE
    assert (added.was_here, added.notes) == (False, ())
    stem = f"lora_{VERSION}"
    assert names(folder) == [
        f"{stem}{end}"
        for end in (".civitai.info", ".darkroom.json", ".preview.png", ".safetensors")
    ]
    stored = json.loads((folder / f"{stem}.civitai.info").read_text())
    assert stored == {**told, "model": {**told["model"], **LICENCE}}
    assert (folder / f"{stem}.preview.png").read_bytes() == PNG
    assert record.preview == folder / f"{stem}.preview.png"
    note = json.loads((folder / f"{stem}.darkroom.json").read_text())
    assert note["reference"] == f"civitai:{MODEL}@{VERSION}" and note["sha256"] == sha256(lora())
    assert seen[-1] == (len(lora()), len(lora()))


async def test_a_number_without_a_version_is_a_model(fake: FakeSources, adder: LoraAdder) -> None:
    fake.add_lora(VERSION, MODEL, lora(fill=1))
    fake.add_lora(VERSION + 5, MODEL, lora())
    added = await adder.add(read(str(MODEL)))
    assert added.record.id == f"civitai_{VERSION + 5}", "the newest"
    assert [str(MODEL) in note and str(VERSION + 5) in note for note in added.notes] == [True]
    with pytest.raises(SourceMissing, match="neither a version nor a model 17"):
        await adder.add(read("17"))


async def test_what_is_here_is_not_downloaded_again(fake: FakeSources, adder: LoraAdder) -> None:
    fake.add_lora(VERSION, MODEL, lora())
    first = await adder.add(read(str(VERSION)))
    asked = len(fake.seen)
    again = await adder.add(read(f"civitai:{MODEL}@{VERSION}"))
    assert (again.record, again.was_here) == (first.record, True)
    assert len(fake.seen) == asked, "its version is known: nobody is asked"
    again = await adder.add(read(f"https://civitai.com/models/{MODEL}"))
    assert (again.record.id, again.was_here) == (first.record.id, True)
    fake.blobs["x.safetensors"] = lora()
    again = await adder.add(read(f"{fake.files_url}/blobs/x.safetensors"))
    assert (again.record.id, again.was_here) == (first.record.id, True)
    assert len(fake.requests(BLOB)) == 1
    fake.add_repository("org/copy", {"copy.safetensors": lora()})
    assert (await adder.add(read("org/copy"))).was_here, "the hub tells the hash"
    assert len(fake.requests(BLOB)) == 1


async def test_two_files_of_one_name_stay_apart(
    fake: FakeSources, adder: LoraAdder, tmp_path: Path
) -> None:
    for version, fill in ((1, 3), (2, 4)):
        record = fake.add_lora(version, MODEL, lora(fill=fill))
        record["files"][0]["name"] = "same: name?.safetensors"
    first = (await adder.add(read("civitai:@1"))).record
    second = (await adder.add(read("civitai:@2"))).record
    assert first.path.read_bytes() == lora(fill=3)
    assert second.path.read_bytes() == lora(fill=4)
    assert first.path.parent == second.path.parent == tmp_path / "loras"
    assert (first.path.stem, second.path.stem) == ("same_ name_", "same_ name__2")
    assert json.loads(second.path.with_suffix(".civitai.info").read_text())["id"] == 2


async def test_several_of_one_name_at_once_all_arrive(fake: FakeSources, adder: LoraAdder) -> None:
    for version in range(1, 6):
        record = fake.add_lora(version, version, lora(fill=version))
        record["files"][0]["name"] = "style.safetensors"
    added = await asyncio.gather(*[adder.add(read(f"civitai:@{n}")) for n in range(1, 6)])
    assert [each.record.id for each in added] == [f"civitai_{n}" for n in range(1, 6)]
    contents = [each.record.path.read_bytes() for each in added]
    assert contents == [lora(fill=n) for n in range(1, 6)]


async def test_another_process_at_the_same_lora_is_waited_for(
    fake: FakeSources, adder: LoraAdder, tmp_path: Path
) -> None:
    fake.add_lora(VERSION, MODEL, lora())
    fake.blobs["x.safetensors"] = lora(fill=3)
    references = [read(str(VERSION)), read(f"{fake.files_url}/blobs/x.safetensors")]
    async with registry(tmp_path) as of_another:
        other = LoraAdder(tmp_path / "loras", of_another, fake.client, limit=100_000)
        for reference in references:
            both = await asyncio.gather(adder.add(reference), other.add(reference))
            assert sorted(each.was_here for each in both) == [False, True]
            assert both[0].record.path == both[1].record.path
    assert len(fake.requests(BLOB)) == 1
    found = [name for name in names(tmp_path / "loras") if name.endswith(".safetensors")]
    assert found == [f"lora_{VERSION}.safetensors", "x.safetensors"]
    assert not [name for name in names(tmp_path / "loras") if name.startswith(DOWNLOADS)]


async def test_what_an_earlier_download_left_is_compared(
    fake: FakeSources, adder: LoraAdder, tmp_path: Path
) -> None:
    fake.add_lora(VERSION, MODEL, lora())
    async with fake.client() as client:
        offer = await find_offer(Civitai(version=VERSION), client, 100_000)
    left = tmp_path / "loras" / DOWNLOADS / offer.folder_name / offer.manifest.main
    left.parent.mkdir(parents=True)
    left.write_bytes(lora(fill=99))
    with pytest.raises(HashMismatch):
        await adder.add(read(str(VERSION)))
    assert names(tmp_path / "loras") == []
    assert (await adder.add(read(str(VERSION)))).record.path.read_bytes() == lora()


@pytest.mark.parametrize(
    ("picture", "data"),
    [("gone.png", None), ("page.png", b"<!doctype html>"), ("ghost.png", b"")],
)
async def test_a_preview_that_cannot_be_had_is_only_told(
    fake: FakeSources, adder: LoraAdder, picture: str, data: bytes | None
) -> None:
    fake.add_lora(VERSION, MODEL, lora(), images=[{"url": f"{fake.files_url}/blobs/{picture}"}])
    if data is not None:
        fake.blobs[picture] = data
    added = await adder.add(read(str(VERSION)))
    assert added.record.preview is None and added.record.path.is_file()
    assert "no preview" in added.notes[0]


@pytest.mark.parametrize(
    ("data", "end"),
    [(b"\xff\xd8\xff\xe0 a jpeg", "jpeg"), (b"RIFF\0\0\0\0WEBPVP8 ", "webp")],
)
async def test_the_bytes_of_a_preview_say_what_it_is(
    fake: FakeSources, adder: LoraAdder, data: bytes, end: str
) -> None:
    fake.add_lora(VERSION, MODEL, lora())
    fake.blobs["preview.png"] = data
    record = (await adder.add(read(str(VERSION)))).record
    assert record.preview is not None and record.preview.name == f"lora_{VERSION}.preview.{end}"
    assert record.preview.read_bytes() == data


async def test_a_model_without_a_licence_is_no_obstacle(
    fake: FakeSources, adder: LoraAdder
) -> None:
    fake.add_lora(VERSION, MODEL, lora())
    fake.fail("/api/v1/models", answer(400, b"{}"))
    record = (await adder.add(read(str(VERSION)))).record
    assert record.license == {} and record.path.is_file()


@pytest.mark.parametrize("size", ["1e400", "NaN", "-1", "1e308"])
async def test_a_size_that_is_none_is_a_broken_answer(
    fake: FakeSources, adder: LoraAdder, size: str
) -> None:
    told = json.dumps(fake.add_lora(VERSION, MODEL, lora()))
    told = re.sub(r'"sizeKB": [0-9.]+', f'"sizeKB": {size}', told)
    fake.fail(f"/api/v1/model-versions/{VERSION}", answer(200, told.encode()))
    with pytest.raises(SourceFailed, match="did not answer as it should"):
        await adder.add(read(str(VERSION)))


async def test_what_a_site_says_is_shown_in_one_plain_line(
    fake: FakeSources, adder: LoraAdder
) -> None:
    words = "gone\nERROR a line of the server\x1b[2J\u202e"
    told = json.dumps({"error": words}).encode()
    fake.fail(f"/api/v1/model-versions/{VERSION}", answer(410, told))
    with pytest.raises(SourceFailed, match="gone ERROR a line of the server") as caught:
        await adder.add(read(str(VERSION)))
    assert caught.value.message.isprintable()
    fake.add_lora(VERSION, MODEL, lora())["model"] = {"name": words, "type": "Checkpoint"}
    with pytest.raises(NotALora, match="gone ERROR") as refused:
        await adder.add(read(str(VERSION)))
    assert refused.value.message.isprintable()


# --- elsewhere -----------------------------------------------------------------------------


async def test_a_repository_with_one_file_needs_no_name(
    fake: FakeSources, adder: LoraAdder
) -> None:
    fake.add_repository("org/one", {"README.md": b"#", "sub/style.safetensors": lora()})
    record = (await adder.add(read("org/one"))).record
    assert record.path.name == "style.safetensors" and record.path.read_bytes() == lora()
    assert record.source == "hf:org/one" and record.id.startswith("local_")
    assert (await adder.add(read("org/one"))).was_here


async def test_a_repository_with_several_files_names_them(
    fake: FakeSources, adder: LoraAdder, tmp_path: Path
) -> None:
    files = {"a.safetensors": lora(fill=1), "b/c.safetensors": lora(fill=2), "d.bin": b"pickle"}
    fake.add_repository("org/many", files)
    with pytest.raises(SourceAmbiguous, match=r"a\.safetensors, b/c\.safetensors"):
        await adder.add(read("org/many"))
    assert names(tmp_path / "loras") == []
    record = (await adder.add(read("org/many:b/c.safetensors"))).record
    assert record.path.read_bytes() == lora(fill=2)
    fake.add_repository("org/old", {"d.bin": b"pickle"})
    with pytest.raises(UnsafeFile):
        await adder.add(read("org/old"))


async def test_an_address_tells_only_the_file(
    fake: FakeSources, adder: LoraAdder, tmp_path: Path
) -> None:
    fake.blobs["x.safetensors"] = lora()
    address = f"{fake.files_url}/blobs/x.safetensors?token=secret"
    record = (await adder.add(read(address))).record
    assert record.path.name == "x.safetensors" and record.path.read_bytes() == lora()
    note = (tmp_path / "loras" / "x.darkroom.json").read_text()
    assert json.loads(note)["sha256"] == sha256(lora()) and "secret" not in note
    asked = len(fake.seen)
    assert (await adder.add(read(address))).was_here and len(fake.seen) == asked


async def test_a_header_that_no_lora_has_is_refused_at_its_beginning(
    fake: FakeSources, known: LoraRegistry, tmp_path: Path
) -> None:
    adder = LoraAdder(tmp_path / "loras", known, fake.client, limit=1 << 30)
    told = (LONGEST_HEADER + 1).to_bytes(8, "little") + b"{"
    fake.blobs["x.safetensors"] = told + b" " * (LONGEST_HEADER + 1000)
    fake.fail("/blobs/x.safetensors", fake.stall(fake.blobs["x.safetensors"], 2 * CHUNK))
    with pytest.raises(NotAWeightsFile, match=f"header of {LONGEST_HEADER + 1} bytes"):
        await adder.add(read(f"{fake.files_url}/blobs/x.safetensors"))
    assert names(tmp_path / "loras") == []


# --- this machine --------------------------------------------------------------------------


async def test_a_local_file_is_copied_with_what_lies_beside_it(
    adder: LoraAdder, tmp_path: Path
) -> None:
    source = tmp_path / "elsewhere" / "mine.safetensors"
    source.parent.mkdir()
    source.write_bytes(lora())
    source.with_suffix(".json").write_text('{"activation text": "mine", "preferred weight": 0.7}')
    source.with_suffix(".png").write_bytes(PNG)
    added = await adder.add(read(str(source)))
    record = added.record
    assert record.path == tmp_path / "loras" / "mine.safetensors" and source.is_file()
    assert record.path.read_bytes() == lora()
    assert (record.trigger_words, record.weight) == (("mine",), 0.7)
    assert record.preview == tmp_path / "loras" / "mine.png"
    assert (record.source or "").startswith("file:mine.safetensors#"), "and no folder"
    assert (await adder.add(read(str(source)))).was_here
    assert (await adder.add(read(str(record.path)))).was_here


async def test_a_local_file_must_be_a_lora(adder: LoraAdder, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(weights())
    (tmp_path / "large.safetensors").write_bytes(lora(20_000))
    for name, error in (
        ("model", NotALora),
        ("large", FileTooLarge),
        ("none", SourceMissing),
    ):
        with pytest.raises(error):
            await adder.add(read(str(tmp_path / f"{name}.safetensors")))
    assert names(tmp_path / "loras") == []
