"""Downloads over real HTTP: whole, resumed, checked."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path

import pytest

from server.source_errors import (
    HashMismatch,
)
from server.sources.client import SourceClient
from server.sources.download import CHUNK, fetch
from server.sources.kinds import Hub, Url
from server.sources.listing import list_files
from server.sources.manifest import Manifest, RemoteFile
from server.sources.marker import markers
from server.sources.part import Part
from server.sources.progress import Speed
from tests.fake_sources import COMMIT, FakeSources, answer, sha256, weights
from tests.support import note_syncs
from tests.unit.sources.downloading import DATA, PATH, cut_off, is_complete, leftovers, manifest_of


async def test_a_whole_repository_in_parallel(
    fake: FakeSources, client: SourceClient, tmp_path: Path
) -> None:
    files = {
        "model_index.json": json.dumps({"a": ["x", "AModel"], "b": ["x", "BModel"]}).encode(),
        "a/config.json": b"{}",
        "a/diffusion_pytorch_model.safetensors": weights(300_000, 1),
        "b/config.json": b'{"b": 1}',
        "b/model.safetensors": weights(200_000, 2),
    }
    fake.add_repository("org/name", {**files, "other.safetensors": weights()})
    manifest = await list_files(Hub("org/name"), client)
    told: list[tuple[int, int | None]] = []
    await fetch(
        manifest, tmp_path, client, parallel=3, progress=lambda *numbers: told.append(numbers)
    )
    for name, data in files.items():
        assert (tmp_path / name).read_bytes() == data
    assert not (tmp_path / "other.safetensors").exists() and leftovers(tmp_path) == []
    total = sum(len(data) for data in files.values())
    assert told[-1] == (total, total)
    assert [there for there, _ in told] == sorted(there for there, _ in told)
    (marker,) = markers(tmp_path)
    assert (marker.reference, marker.revision) == ("hf:org/name", COMMIT)
    assert marker.files == {name: len(data) for name, data in files.items()}


async def test_what_is_there_is_not_downloaded_again(
    fake: FakeSources, client: SourceClient, tmp_path: Path
) -> None:
    manifest = manifest_of(fake)
    await fetch(manifest, tmp_path, client)
    fake.seen.clear()
    told: list[tuple[int, int | None]] = []
    await fetch(manifest, tmp_path, client, progress=lambda *numbers: told.append(numbers))
    assert fake.seen == [] and told == [(len(DATA), len(DATA))]


async def test_a_power_cut_takes_nothing(
    fake: FakeSources, client: SourceClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = note_syncs(monkeypatch)
    await fetch(manifest_of(fake), tmp_path, client)
    file, *last = synced(tmp_path)
    assert file == "x.safetensors" and last[0] == "." == last[-1], "each file, then its name"
    assert last[1].startswith(".darkroom-")


async def test_a_cut_connection_is_taken_up_where_it_ended(
    fake: FakeSources, client: SourceClient, tmp_path: Path
) -> None:
    manifest = manifest_of(fake)
    fake.fail(PATH, fake.cut(DATA, 700_000), fake.cut(DATA, 1))
    await fetch(manifest, tmp_path, client)
    assert (tmp_path / "x.safetensors").read_bytes() == DATA
    second = fake.requests(PATH)[1].headers
    assert 0 < int(second["Range"].removeprefix("bytes=").removesuffix("-")) <= 700_000
    assert second["If-Range"] == f'"{sha256(DATA)}"'


async def test_a_new_process_takes_up_what_an_earlier_one_left(
    fake: FakeSources, client: SourceClient, tmp_path: Path
) -> None:
    manifest = manifest_of(fake)
    await cut_off(fake, manifest, tmp_path, 1_000_000)
    assert not is_complete(tmp_path) and not (tmp_path / "x.safetensors").exists()
    kept = (tmp_path / "x.safetensors.part").stat().st_size
    assert 700_000 < kept <= 1_000_000
    told: list[tuple[int, int | None]] = []
    await fetch(manifest, tmp_path, client, progress=lambda *numbers: told.append(numbers))
    assert [seen.headers["Range"] for seen in fake.seen] == [f"bytes={kept}-"]
    assert told[0] == (kept, len(DATA))
    assert (tmp_path / "x.safetensors").read_bytes() == DATA and is_complete(tmp_path)


async def test_the_hash_includes_what_was_there_before(
    fake: FakeSources, client: SourceClient, tmp_path: Path
) -> None:
    manifest = manifest_of(fake)
    await cut_off(fake, manifest, tmp_path, 1_000_000)
    part = tmp_path / "x.safetensors.part"
    damaged = bytearray(part.read_bytes())
    damaged[500_000] ^= 1
    part.write_bytes(damaged)
    with pytest.raises(HashMismatch):
        await fetch(manifest, tmp_path, client)
    await fetch(manifest, tmp_path, client)
    assert (tmp_path / "x.safetensors").read_bytes() == DATA


async def test_a_file_that_changed_meanwhile_begins_anew(
    fake: FakeSources, client: SourceClient, tmp_path: Path
) -> None:
    manifest = manifest_of(fake, sha256=None, size=None)
    await cut_off(fake, manifest, tmp_path, 1_000_000)
    changed = weights(2_000_000, 99)
    fake.blobs["x.safetensors"] = changed
    await fetch(manifest, tmp_path, client)
    assert fake.seen[0].headers["If-Range"] == f'"{sha256(DATA)}"'
    assert (tmp_path / "x.safetensors").read_bytes() == changed


async def test_a_shorter_file_meanwhile_begins_anew_too(
    fake: FakeSources, client: SourceClient, tmp_path: Path
) -> None:
    manifest = manifest_of(fake, size=None)
    await cut_off(fake, manifest, tmp_path, 1_000_000)
    fake.fail(PATH, answer(416, Content_Range="bytes */10"))
    await fetch(manifest, tmp_path, client)
    assert (tmp_path / "x.safetensors").read_bytes() == DATA
    assert "Range" not in fake.seen[1].headers


async def test_a_part_of_which_nothing_can_be_told_is_not_used(
    fake: FakeSources, client: SourceClient, tmp_path: Path
) -> None:
    (tmp_path / "x.safetensors.part").write_bytes(b"something else")
    await fetch(manifest_of(fake), tmp_path, client)
    assert "Range" not in fake.seen[0].headers
    assert (tmp_path / "x.safetensors").read_bytes() == DATA and leftovers(tmp_path) == []


@pytest.mark.parametrize("size", [len(DATA), None])
async def test_a_process_that_ended_before_the_last_rename(
    fake: FakeSources, client: SourceClient, tmp_path: Path, size: int | None
) -> None:
    manifest = manifest_of(fake, size=size)
    part = Part(tmp_path / "x.safetensors", manifest.files[0])
    part.restart(f'"{sha256(DATA)}"')
    part.write(DATA)
    part.close()
    await fetch(manifest, tmp_path, client)
    assert (tmp_path / "x.safetensors").read_bytes() == DATA
    assert len(fake.seen) == (0 if size else 1)


async def test_an_empty_file(fake: FakeSources, client: SourceClient, tmp_path: Path) -> None:
    fake.blobs["merges.txt"] = b""
    url = f"{fake.files_url}/blobs/merges.txt"
    await fetch(Manifest(Url(url), "r", (RemoteFile("merges.txt", url, 0),)), tmp_path, client)
    assert (tmp_path / "merges.txt").read_bytes() == b"" and is_complete(tmp_path)


async def test_two_who_want_the_same_download_it_once(
    fake: FakeSources, client: SourceClient, tmp_path: Path
) -> None:
    manifest = manifest_of(fake)
    await asyncio.gather(*(fetch(manifest, tmp_path, client) for _ in range(3)))
    assert len(fake.requests(PATH)) == 1


async def test_a_cancelled_download_can_be_taken_up(
    fake: FakeSources, client: SourceClient, tmp_path: Path
) -> None:
    manifest = manifest_of(fake)
    reached = threading.Event()
    fake.fail(PATH, fake.stall(DATA, 1_000_000, reached))
    started = asyncio.Event()

    def listen(there: int, total: int | None) -> None:
        if there > 500_000:
            started.set()

    task = asyncio.create_task(fetch(manifest, tmp_path, client, progress=listen))
    await asyncio.wait_for(started.wait(), 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not is_complete(tmp_path)
    await fetch(manifest, tmp_path, client)
    assert "Range" in fake.requests(PATH)[1].headers
    assert (tmp_path / "x.safetensors").read_bytes() == DATA


async def test_a_cancellation_waits_for_the_write_that_is_under_way(
    fake: FakeSources, client: SourceClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, begun, released = Part.write, threading.Event(), threading.Event()

    def slow(part: Part, data: bytes) -> None:
        begun.set()
        released.wait(20)
        write(part, data)

    monkeypatch.setattr(Part, "write", slow)
    task = asyncio.create_task(fetch(manifest_of(fake), tmp_path, client))
    await asyncio.to_thread(begun.wait, 20)
    task.cancel()
    await asyncio.sleep(0.05)
    assert not task.done(), "its file would be closed under the writer"
    released.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (tmp_path / "x.safetensors.part").stat().st_size == CHUNK


async def test_a_connection_without_a_byte_counts_as_dead(
    fake: FakeSources, tmp_path: Path
) -> None:
    manifest = manifest_of(fake)
    fake.fail(PATH, fake.stall(DATA, 600_000))
    async with SourceClient(fake.sites(), allow_private=True, timeout=0.3, pause=0.01) as client:
        await fetch(manifest, tmp_path, client)
    assert "Range" in fake.requests(PATH)[1].headers
    assert (tmp_path / "x.safetensors").read_bytes() == DATA


def test_speed_is_that_of_the_last_seconds() -> None:
    speed = Speed(window=5.0)
    assert speed.update(1000, 0.0) is None
    assert speed.update(2000, 1.0) == 1000
    assert speed.update(6000, 5.0) == 1000
    for second in range(6, 20):
        last = speed.update(6000 + 300 * (second - 5), float(second))
    assert last == 300
    assert speed.update(0, 20.0) is None, "a file began anew"
    assert speed.update(50, 21.0) == 50
