"""Hashes of files, against hashlib and against what a trainer wrote into its file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from server import safetensors_header
from server.loras.hashes import Interrupted, hashes
from tests.support import TESTS

INKWASH = TESTS.parent / "model_plugins" / "postcard" / "loras" / "inkwash.safetensors"


def test_all_of_a_large_file(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    content = bytes(range(251)) * 12000  # three pieces, cut nowhere where the hashes are
    path.write_bytes(content)
    found = hashes(path, 1000)
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert found.autov2 == found.sha256[:10]
    assert found.autov3 == hashlib.sha256(content[1000:]).hexdigest()
    assert found.autov1 == hashlib.sha256(content[0x100000:0x110000]).hexdigest()[:8]


def test_a_header_longer_than_what_is_read_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    content = bytes(range(256)) * 8192
    path.write_bytes(content)
    assert hashes(path, 1_500_000).autov3 == hashlib.sha256(content[1_500_000:]).hexdigest()


def test_autov3_is_what_the_trainer_calls_the_hash_of_the_tensors() -> None:
    header = safetensors_header.read(INKWASH)
    found = hashes(INKWASH, header.length)
    assert f"0x{found.autov3}" == header.metadata["modelspec.hash_sha256"]
    assert found.autov1 is None, "it is shorter than 1 MiB"


def test_nobody_waits_any_more(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(bytes(3 << 20))
    asked = iter((False, True))
    with pytest.raises(Interrupted):
        hashes(path, 0, lambda: next(asked))
