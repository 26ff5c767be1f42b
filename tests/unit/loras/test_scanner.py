"""Which files are found in a folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from server.loras.scanner import Folder, Seen, Walk
from tests.unit.loras.builders import sidecar


def look(folder: Path) -> tuple[dict[str, Seen], Walk]:
    walk = Walk(Folder("", folder))
    return {seen.name: seen for seen in walk.files()}, walk


def fill(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def test_weights_in_all_folders_and_nothing_else(tmp_path: Path) -> None:
    fill(tmp_path, "a.safetensors", "b/c/D.SafeTensors", "b/old.pt", "b/e.ckpt", "b/f.bin")
    fill(
        tmp_path, "readme.txt", ".hidden.safetensors", ".later/g.safetensors", "h.safetensors.part"
    )
    found, walk = look(tmp_path)
    assert set(found) == {"a.safetensors", "b/c/D.SafeTensors", "b/old.pt", "b/e.ckpt", "b/f.bin"}
    status = (tmp_path / "a.safetensors").stat()
    stamp = found["a.safetensors"].stamp
    assert (stamp.size, stamp.mtime_ns) == (status.st_size, status.st_mtime_ns)
    assert walk.complete


def test_what_lies_beside_each(tmp_path: Path) -> None:
    fill(tmp_path, "x.safetensors", "x.metadata.safetensors", "x.preview.png", "x.civitai.info")
    fill(tmp_path, "other.json", "sub/x.png")
    sidecar(tmp_path / "x.safetensors", ".metadata.json", {})
    found, _ = look(tmp_path)
    endings = {".metadata.json", ".preview.png", ".civitai.info"}
    assert set(found["x.safetensors"].sidecars) == endings
    assert set(found["x.metadata.safetensors"].sidecars) == set(), "it is about x"


@pytest.mark.parametrize(("stem", "rest"), [("y.metadata", ".json"), ("y.preview", ".png")])
def test_a_name_may_end_as_another_ending_begins(tmp_path: Path, stem: str, rest: str) -> None:
    fill(tmp_path, f"{stem}.safetensors", f"{stem}{rest}", f"{stem}{stem[1:]}{rest}")
    found, _ = look(tmp_path)
    assert set(found[f"{stem}.safetensors"].sidecars) == {rest, f"{stem[1:]}{rest}"}


def test_links_are_followed_once(tmp_path: Path) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "loras"
    fill(outside, "far.safetensors")
    fill(folder, "near.safetensors", "sub/deep.safetensors")
    (folder / "sub" / "up").symlink_to(folder)
    (folder / "self").symlink_to("self")
    (folder / "far").symlink_to(outside)
    (folder / "again").symlink_to(outside)
    (folder / "linked.safetensors").symlink_to(outside / "far.safetensors")
    (folder / "dangling.safetensors").symlink_to(tmp_path / "nowhere")
    found, walk = look(folder)
    assert set(found) == {
        *("near.safetensors", "sub/deep.safetensors", "again/far.safetensors"),
        "linked.safetensors",
    }
    assert folder / "again" in walk.linked and walk.complete


def test_a_folder_that_is_missing_is_empty(tmp_path: Path) -> None:
    found, walk = look(tmp_path / "nowhere")
    assert found == {} and walk.complete


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_a_folder_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    fill(tmp_path, "a.safetensors", "closed/b.safetensors")
    (tmp_path / "closed").chmod(0)
    found, walk = look(tmp_path)
    (tmp_path / "closed").chmod(0o700)
    assert set(found) == {"a.safetensors"} and not walk.complete


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are Unicode")
def test_names_that_are_no_text_are_left_out(tmp_path: Path) -> None:
    fill(tmp_path, "a.safetensors")
    (tmp_path / os.fsdecode(b"\xff.safetensors")).write_bytes(b"x")
    assert set(look(tmp_path)[0]) == {"a.safetensors"}


def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "loras").write_bytes(b"")
    found, walk = look(tmp_path / "loras")
    assert found == {} and not walk.complete
