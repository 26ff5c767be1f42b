"""What a safetensors file says of itself, against the library, and what is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from server.safetensors_header import Entry, begins_well, entries, told_size


def written(path: Path, header: Any, *, length: int | None = None) -> Path:
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(content) if length is None else length).to_bytes(8, "little") + content)
    return path


def test_a_file_of_the_library(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    tensors = {"a": np.zeros((2, 3), np.float16), "b": np.zeros(5, np.float32)}
    save_file(tensors, path, metadata={"by": "the library"})
    found = entries(path)
    assert found["a"][:2] == ("F16", (2, 3)) and found["b"][:2] == ("F32", (5,))
    assert {name: entry.end - entry.begin for name, entry in found.items()} == {"a": 12, "b": 20}
    assert told_size(path) == path.stat().st_size


def test_of_a_file_that_was_cut_the_size_is_told_that_it_had(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"a": np.zeros(1000, np.float32)}, path)
    whole = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-100])
    assert told_size(path) == whole


def test_a_file_without_tensors(tmp_path: Path) -> None:
    path = written(tmp_path / "x.safetensors", {"__metadata__": {"a": "b"}})
    assert (entries(path), told_size(path)) == ({}, path.stat().st_size)


TENSOR = {"dtype": "F16", "shape": [1], "data_offsets": [0, 2]}


def test_an_entry_has_plain_numbers(tmp_path: Path) -> None:
    path = written(tmp_path / "x.safetensors", {"a": TENSOR})
    assert entries(path) == {"a": Entry("F16", (1,), 0, 2)}


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"{",
        b"[]",
        b"<!doctype html>",
        b"{\xff}",
        b'{"a":' * 20_000,
        {"a": None},
        {"a": []},
        {"a": {**TENSOR, "shape": None}},
        {"a": {**TENSOR, "shape": ["wide"]}},
        {"a": {**TENSOR, "data_offsets": [0]}},
        {"a": {"dtype": "F16", "shape": [1]}},
        {"a": {**TENSOR, "data_offsets": [0, float("inf")]}},
    ],
    ids=lambda header: str(header)[:40],
)
def test_a_header_that_is_none(tmp_path: Path, header: Any) -> None:
    path = written(tmp_path / "x.safetensors", header)
    for read in (entries, told_size):
        with pytest.raises(ValueError, match="does not begin like a safetensors file"):
            read(path)


@pytest.mark.parametrize("length", [99, 10**8, 10**8 + 1, 2**63, 2**64 - 1])
def test_a_length_that_the_file_has_not_is_not_believed(tmp_path: Path, length: int) -> None:
    path = written(tmp_path / "x.safetensors", {"a": TENSOR}, length=length)
    with pytest.raises(ValueError, match="does not begin like"):
        entries(path)


def test_a_beginning(tmp_path: Path) -> None:
    path = written(tmp_path / "x.safetensors", {"a": TENSOR})
    assert begins_well(path.read_bytes()[:9])
    assert not begins_well(b"{" * 9) and not begins_well(b"") and not begins_well(bytes(9))
