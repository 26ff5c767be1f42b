"""The beginning of a safetensors file, read without torch and without the tensors behind it.

A file begins with the length of a JSON object in 8 bytes, and that object: of each tensor its type,
its shape, and where its bytes lie behind the object, and under `__metadata__` texts by name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from operator import index
from pathlib import Path
from typing import Any, NamedTuple

#: The longest object that safetensors itself reads, in bytes.
LONGEST = 100_000_000

#: The key of what is no tensor.
_METADATA = "__metadata__"

#: Bytes of the length.
_PREFIX = 8


class Entry(NamedTuple):
    """What the header says of a tensor. `begin` and `end` are bytes behind the header."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Header:
    """A whole header.

    Attributes:
        length: bytes before the first tensor's.
        tensors: what it says of each tensor.
        metadata: its texts by name.
    """

    length: int
    tensors: Mapping[str, Entry]
    metadata: Mapping[str, str]

    @property
    def told_size(self) -> int:
        """Bytes of the whole file."""
        return self.length + max((tensor.end for tensor in self.tensors.values()), default=0)


def begins_well(head: bytes) -> bool:
    """Whether a file of these first bytes, 9 or more, can be one."""
    return head[_PREFIX : _PREFIX + 1] == b"{" and 2 <= told_length(head) <= LONGEST


def told_length(head: bytes) -> int:
    """The bytes that the object has as these first bytes of a file, 8 or more, tell."""
    return int.from_bytes(head[:_PREFIX], "little")


def read(path: Path, longest: int = LONGEST) -> Header:
    """The header of a file. Blocks.

    Args:
        path: the file.
        longest: bytes that the object may have; a longer one is not read.

    Raises:
        OSError: the file cannot be read.
        ValueError: it has no such header, or not all of it.
    """
    with path.open("rb") as stream:
        head = stream.read(_PREFIX + 1)
        length = told_length(head)
        # The file's own size first: the length may be any number.
        whole = length <= longest and path.stat().st_size >= _PREFIX + length
        if not begins_well(head) or not whole:
            raise _broken(path)
        stream.seek(_PREFIX)
        content = stream.read(length)
    try:
        told = json.loads(content)
        tensors = {name: _entry(entry) for name, entry in told.items() if name != _METADATA}
        metadata = _texts(told.get(_METADATA))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise _broken(path) from error
    return Header(_PREFIX + length, tensors, metadata)


def entries(path: Path) -> Mapping[str, Entry]:
    """What the header says of each tensor; see `read`."""
    return read(path).tensors


def told_size(path: Path, longest: int = LONGEST) -> int:
    """The bytes that the file has as its header tells; see `read`."""
    return read(path, longest).told_size


def _entry(told: dict[str, Any]) -> Entry:
    begin, end = map(index, told["data_offsets"])
    shape = tuple(map(index, told["shape"]))
    if not 0 <= begin <= end or min(shape, default=0) < 0:
        raise ValueError("no place and no shape of a tensor")
    return Entry(str(told["dtype"]), shape, begin, end)


def _texts(told: Any) -> dict[str, str]:
    """What is no text in it is left out: metadata are hints, and weights without them are whole."""
    if not isinstance(told, dict):
        return {}
    return {name: text for name, text in told.items() if isinstance(text, str)}


def _broken(path: Path) -> ValueError:
    return ValueError(f"{path} does not begin like a safetensors file.")
