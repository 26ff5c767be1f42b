"""Downloads over real HTTP: whole, resumed, checked, refused."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from server.source_errors import (
    DiskFull,
    EarlyAccess,
    GatedSource,
    HashMismatch,
    NotAWeightsFile,
    SizeMismatch,
    SourceFailed,
    SourceMissing,
    SourceUnauthorized,
    SourceUnreachable,
    UnsafeFile,
)
from server.sources.client import RETRIES, SourceClient
from server.sources.download import CHUNK, fetch
from server.sources.kinds import Civitai, Hub, Url
from server.sources.listing import list_files
from server.sources.manifest import Manifest, RemoteFile
from server.sources.marker import markers
from server.sources.part import Part
from server.sources.progress import Speed
from tests.fake_sources import COMMIT, FakeSources, answer, sha256, unmeasured, weights

DATA = weights(2_000_000)
PATH = "/blobs/x.safetensors"


def manifest_of(fake: FakeSources, data: bytes = DATA, **words: Any) -> Manifest:
    """One file of the file host."""
    fake.blobs.setdefault("x.safetensors", data)
    url = fake.files_url + PATH
    told = {"size": len(data), "sha256": sha256(data), **words}
    return Manifest(Url(url), "r", (RemoteFile("x.safetensors", url, **told),), "x.safetensors")


def is_complete(folder: Path) -> bool:
    return any(marker.holds(folder) for marker in markers(folder))


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*.part"))


async def cut_off(fake: FakeSources, manifest: Manifest, folder: Path, after: int) -> None:
    """A process that ends amid the download, by a client that then loses its network."""
    fake.fail(PATH, fake.cut(DATA, after), *[answer(503)] * (RETRIES + 1))
    async with fake.client() as client:
        with pytest.raises(SourceUnreachable):
            await fetch(manifest, folder, client)
    fake.faults.clear()
    fake.seen.clear()


# --- what works ----------------------------------------------------------------------------


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


# --- what does not -------------------------------------------------------------------------


async def refused(
    kind: type[SourceFailed], manifest: Manifest, folder: Path, client: SourceClient
) -> SourceFailed:
    """The failure of a download, which leaves nothing that could be taken for weights."""
    with pytest.raises(kind) as caught:
        await fetch(manifest, folder, client)
    assert type(caught.value) is kind
    assert not is_complete(folder) and not (folder / "x.safetensors").exists()
    return caught.value


async def test_a_wrong_hash(fake: FakeSources, client: SourceClient, tmp_path: Path) -> None:
    await refused(HashMismatch, manifest_of(fake, sha256="0" * 64), tmp_path, client)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("size", [len(DATA) + 1, len(DATA) - 1, 10])
async def test_a_wrong_size(
    fake: FakeSources, client: SourceClient, tmp_path: Path, size: int
) -> None:
    error = await refused(SizeMismatch, manifest_of(fake, size=size), tmp_path, client)
    assert str(len(DATA)) in error.message and str(size) in error.message
    assert leftovers(tmp_path) == []


async def test_a_size_that_is_only_about_right_is_not_held_against_the_file(
    fake: FakeSources, client: SourceClient, tmp_path: Path
) -> None:
    told: list[tuple[int, int | None]] = []
    manifest = manifest_of(fake, size=len(DATA) + 5, exact=False)
    await fetch(manifest, tmp_path, client, progress=lambda *numbers: told.append(numbers))
    assert told[-1] == (len(DATA), len(DATA))


@pytest.mark.parametrize(
    "body", [b"<!doctype html><title>Log in</title>", b'{"error": "no"}', b"\x80\x02}q\x00", b"x"]
)
async def test_another_thing_than_the_name_says(
    fake: FakeSources, client: SourceClient, tmp_path: Path, body: bytes
) -> None:
    manifest = manifest_of(fake, body, sha256=None, size=None)
    await refused(NotAWeightsFile, manifest, tmp_path, client)
    assert leftovers(tmp_path) == []


async def test_a_web_page_instead_of_a_file(
    fake: FakeSources, client: SourceClient, tmp_path: Path
) -> None:
    fake.fail(PATH, answer(200, DATA, Content_Type="text/html; charset=utf-8"))
    error = await refused(NotAWeightsFile, manifest_of(fake), tmp_path, client)
    assert "CIVITAI_API_KEY" in error.message


async def test_a_missing_file(fake: FakeSources, client: SourceClient, tmp_path: Path) -> None:
    manifest = manifest_of(fake)
    fake.blobs.clear()
    await refused(SourceMissing, manifest, tmp_path, client)


@pytest.mark.parametrize("keys", [True, False])
async def test_a_gated_repository(fake: FakeSources, tmp_path: Path, keys: bool) -> None:
    fake.add_repository("org/name", {"x.safetensors": DATA}, gated=True)
    async with fake.client(keys=keys) as client:
        manifest = await list_files(Hub("org/name"), client)
        if keys:
            await fetch(manifest, tmp_path, client)
            assert (tmp_path / "x.safetensors").read_bytes() == DATA
            return
        error = await refused(GatedSource, manifest, tmp_path, client)
    assert f"{fake.hub_url}/org/name is gated" in error.message and "HF_TOKEN" in error.message


async def test_early_access_and_a_missing_key(fake: FakeSources, tmp_path: Path) -> None:
    fake.add_version(456, 123, DATA, name="x.safetensors")
    async with fake.client(keys=False) as client:
        manifest = await list_files(Civitai(version=456), client)
        error = await refused(SourceUnauthorized, manifest, tmp_path, client)
        assert "CIVITAI_API_KEY" in error.message
    fake.early.add(456)
    async with fake.client() as client:
        await refused(EarlyAccess, manifest, tmp_path, client)
        fake.early.clear()
        await fetch(manifest, tmp_path, client)
    assert (tmp_path / "4560" / "x.safetensors").read_bytes() == DATA


@pytest.mark.parametrize("name", ["x.bin", "a/x.ckpt", "x.PT", "x.pth", "x.pkl"])
async def test_pickles_are_never_asked_for(
    fake: FakeSources, client: SourceClient, tmp_path: Path, name: str
) -> None:
    files = (RemoteFile("x.safetensors", f"{fake.files_url}{PATH}"), RemoteFile(name, "https://x/"))
    manifest = Manifest(Url("https://x/"), "r", files)
    await refused(UnsafeFile, manifest, tmp_path, client)
    assert fake.seen == []


async def test_too_little_space_is_found_before_the_first_byte(
    fake: FakeSources, client: SourceClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    error = await refused(DiskFull, manifest_of(fake), tmp_path, client)
    assert isinstance(error, DiskFull)
    assert (error.needed, error.free) == (len(DATA), 1_000_000)
    assert "model_folder" in error.message and fake.seen == []


async def test_what_is_there_of_a_file_needs_no_more_space(
    fake: FakeSources, client: SourceClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = manifest_of(fake)
    await cut_off(fake, manifest, tmp_path, 1_500_000)
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    await fetch(manifest, tmp_path, client)
    assert is_complete(tmp_path)


async def test_a_disk_that_fills_up_meanwhile(
    fake: FakeSources, client: SourceClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.FileIO):
        def write(self, data: Any) -> int:
            if self.tell() >= 1_000_000:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(memoryview(data)[:100_000])  # and writes may be short

    manifest = manifest_of(fake)
    with monkeypatch.context() as patch:
        patch.setattr("server.sources.part.io.FileIO", Full)
        error = await refused(DiskFull, manifest, tmp_path, client)
    assert "kept" in error.message
    await fetch(manifest, tmp_path, client)
    assert "Range" in fake.requests(PATH)[1].headers
    assert (tmp_path / "x.safetensors").read_bytes() == DATA


async def test_a_folder_that_cannot_be_made(
    fake: FakeSources, client: SourceClient, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceFailed, match="model_folder"):
        await fetch(manifest_of(fake), tmp_path / "file" / "models", client)


async def test_the_failure_of_one_file_ends_the_others(
    fake: FakeSources, client: SourceClient, tmp_path: Path
) -> None:
    fake.fail("/blobs/slow.safetensors", fake.stall(DATA, 500_000))
    names = ["slow", "missing"]
    files = tuple(
        RemoteFile(f"{name}.safetensors", f"{fake.files_url}/blobs/{name}.safetensors")
        for name in names
    )
    with pytest.raises(SourceMissing, match="missing"):
        await fetch(Manifest(Url("https://x/"), "r", files), tmp_path, client)


async def test_a_file_that_never_ends_is_given_up(
    fake: FakeSources, client: SourceClient, tmp_path: Path
) -> None:
    manifest = manifest_of(fake, size=len(DATA), sha256=None, exact=False)
    fake.fail(PATH, unmeasured(DATA + bytes(20_000_000)))
    await refused(SizeMismatch, manifest, tmp_path, client)


async def test_a_rounded_size_is_off_by_little(
    fake: FakeSources, client: SourceClient, tmp_path: Path
) -> None:
    manifest = manifest_of(fake, size=len(DATA) + 2000, exact=False)
    await refused(SizeMismatch, manifest, tmp_path, client)
    (tmp_path / "x.safetensors").write_bytes(weights(1_900_000))
    await fetch(manifest_of(fake, size=len(DATA) + 5, exact=False), tmp_path, client)
    assert (tmp_path / "x.safetensors").read_bytes() == DATA, "the other file was not taken for it"


@pytest.mark.parametrize("cut", [20_000, 10])
async def test_a_cut_file_of_unknown_length_is_not_taken_for_whole(
    fake: FakeSources, client: SourceClient, tmp_path: Path, cut: int
) -> None:
    manifest = manifest_of(fake, size=None, sha256=None)
    fake.fail(PATH, unmeasured(DATA[:cut]))
    kind = SizeMismatch if cut > 1000 else NotAWeightsFile
    await refused(kind, manifest, tmp_path, client)
    fake.fail(PATH, unmeasured(DATA))
    await fetch(manifest, tmp_path, client)
    assert is_complete(tmp_path)


async def test_a_connection_that_drips_is_given_up_and_what_came_is_kept(
    fake: FakeSources, client: SourceClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.sources.progress.PATIENCE", 0.3)
    fake.fail(PATH, fake.drip(DATA, 0.02))
    with pytest.raises(SourceUnreachable, match="a second"):
        await fetch(manifest_of(fake), tmp_path, client)
    assert (tmp_path / "x.safetensors.part").stat().st_size > 8
    await fetch(manifest_of(fake), tmp_path, client)
    assert "Range" in fake.requests(PATH)[1].headers


async def test_the_event_loop_does_no_work_of_the_disk(
    fake: FakeSources, client: SourceClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_loop: list[str] = []

    def watched(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            if threading.current_thread() is threading.main_thread():
                on_loop.append(name)
            return real(*args, **kwargs)

        monkeypatch.setattr(owner, name, call)

    for name in ("catch_up", "restart", "write", "complete"):
        watched(Part, name)
    for name in ("stat", "mkdir", "replace", "unlink", "open"):
        watched(Path, name)
    watched(shutil, "disk_usage")
    watched(os, "fsync")
    await fetch(manifest_of(fake), tmp_path, client)
    assert on_loop == []


# --- speed ---------------------------------------------------------------------------------


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
