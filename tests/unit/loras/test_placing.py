"""Files come into the folder of LoRAs whole, beside those of others, and stay after a power cut."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from server.loras.placing import Beside, place
from server.loras.previews import Preview
from server.loras.sidecars import CIVITAI, RECORD
from tests.fake_civitai import PNG
from tests.support import note_syncs

BESIDE = Beside({RECORD: {"reference": "x"}, CIVITAI: {"id": 1}}, Preview(PNG, ".preview.png"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "loras"
    found.mkdir()
    return found


def downloaded(folder: Path, content: bytes = b"weights") -> Path:
    path = folder.parent / f"{content.hex()}.safetensors"
    path.write_bytes(content)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_several_of_one_name_at_once_all_arrive(folder: Path) -> None:
    together = Barrier(4)

    def one(number: int) -> Path:
        source = downloaded(folder, bytes([number]))
        together.wait()
        beside = Beside({RECORD: {"reference": str(number)}})
        return place(source, folder, "same.safetensors", str(number % 2), beside)

    for _ in range(10):
        with ThreadPoolExecutor(4) as pool:
            placed = list(pool.map(one, range(4)))
        assert [path.read_bytes() for path in placed] == [bytes([number]) for number in range(4)]
        for number, path in enumerate(placed):
            assert f'"{number}"' in path.with_name(path.stem + RECORD).read_text()
        assert len(contents(folder)) == 8, "and nothing else"
        for path in folder.iterdir():
            path.unlink()


@pytest.mark.parametrize(
    "other",
    ["x.pt", "x.civitai.info", "x.preview.png", "x.png", "x.json", "X.Safetensors", "x.preview.pt"],
)
def test_what_belongs_to_others_stays(folder: Path, other: str) -> None:
    (folder / other).write_bytes(b"of another")
    placed = place(downloaded(folder), folder, "x.safetensors", "5", BESIDE)
    assert placed == folder / "x_5.safetensors"
    ends = (".civitai.info", ".darkroom.json", ".preview.png", ".safetensors")
    assert contents(folder).keys() == {other, *(f"x_5{end}" for end in ends)}
    assert (folder / other).read_bytes() == b"of another"


def test_a_full_disk_leaves_what_was_there_and_no_more(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, sync = downloaded(folder), os.fsync
    (folder / "x.civitai.info").write_bytes(b"of another")

    def full(descriptor: int) -> None:
        if os.fstat(descriptor).st_ino == source.stat().st_ino:
            raise OSError(28, "No space left on device")
        sync(descriptor)

    monkeypatch.setattr("server.storage.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        place(source, folder, "x.safetensors", "5", BESIDE)
    assert contents(folder) == {"x.civitai.info": b"of another"}
    assert source.read_bytes() == b"weights"


def test_a_disk_without_hard_links_takes_them_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(source: Path, path: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("server.storage.os.link", refused)
    for content in (b"1", b"2"):
        placed = place(downloaded(folder, content), folder, "x.safetensors", "5", BESIDE)
        assert placed.read_bytes() == content
    assert len(contents(folder)) == 8


def test_a_power_cut_takes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = note_syncs(monkeypatch)
    place(downloaded(folder), folder, "x.safetensors", "5", BESIDE)
    names = synced(folder)
    assert set(names) == {".", *contents(folder)}
    assert names[-2:] == ["x.safetensors", "."], "its bytes, then its name"
