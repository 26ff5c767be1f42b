"""Downloads that must not be taken for whole, each with its own error."""

from __future__ import annotations

import errno
import io
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
from server.sources.client import SourceClient
from server.sources.download import fetch
from server.sources.kinds import Civitai, Hub, Url
from server.sources.listing import list_files
from server.sources.manifest import Manifest, RemoteFile
from server.sources.part import Part
from tests.fake_sources import FakeSources, answer, unmeasured, weights
from tests.unit.sources.downloading import DATA, PATH, cut_off, is_complete, leftovers, manifest_of


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
    error = await refused(SourceMissing, manifest, tmp_path, client)
    assert "x.safetensors" in error.message
    assert not is_complete(tmp_path)


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
    assert not (tmp_path / "x.safetensors").exists()


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
