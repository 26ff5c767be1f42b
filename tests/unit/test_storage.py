"""Files are whole or absent, and folders belong to one server."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from server import datafolder
from server.errors import FolderInUse, FolderUnusable, StorageFailed
from server.folders import Folders
from server.storage import ImageFiles, write_whole


@pytest.fixture
def files(tmp_path: Path) -> ImageFiles:
    for name in ("images", "thumbs"):
        (tmp_path / name).mkdir()
    return ImageFiles(tmp_path / "images", tmp_path / "thumbs")


def test_both_files_are_written_and_removed_together(files: ImageFiles) -> None:
    files.write("a.png", b"image", b"thumb")
    assert files.image("a.png").read_bytes() == b"image"
    assert files.thumb("a.png").read_bytes() == b"thumb"
    assert files.remove("a.png") and files.remove("never was.png")
    assert not files.image("a.png").exists() and not files.thumb("a.png").exists()


def test_a_full_disk_leaves_neither_a_file_nor_a_part_of_one(
    files: ImageFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("server.storage.os.fsync", full)
    with pytest.raises(StorageFailed, match="No space left on device"):
        files.write("a.png", b"image", b"thumb")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_what_cannot_be_removed_is_told(files: ImageFiles) -> None:
    files.image("a.png").mkdir()
    assert not files.remove("a.png")


def test_many_may_write_one_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a"
    contents = [bytes([number]) * 200_000 for number in range(8)]

    def write(content: bytes) -> bytes:
        write_whole(path, content)
        return path.read_bytes()

    with ThreadPoolExecutor(8) as pool:
        seen = set(pool.map(write, contents * 5))
    assert seen <= set(contents), "every reader finds a whole file"
    assert list(tmp_path.iterdir()) == [path]


def test_parts_of_a_crash_are_removed(files: ImageFiles, tmp_path: Path) -> None:
    (tmp_path / "thumbs" / ".a.png.part").write_bytes(b"th")
    files.write("b.png", b"image", b"thumb")
    files.remove_partial()
    names = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert names == ["b.png", "b.png"]


def test_a_folder_is_made_and_held_by_one(tmp_path: Path) -> None:
    folders = Folders.of(tmp_path / "new" / "data")
    lock = datafolder.acquire(folders)
    assert all(folder.is_dir() for folder in folders.all)
    with pytest.raises(FolderInUse, match="--data"):
        datafolder.acquire(folders)
    lock.release()
    datafolder.acquire(folders).release()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderUnusable, match="--data"):
        datafolder.acquire(Folders.of(tmp_path / "file" / "data"))
