"""The beginning of a safetensors file, read without torch and without the tensors behind it.

A file begins with the length of a JSON object in 8 bytes, and that object: of each tensor its type,
its shape, and where its bytes lie behind the object.
"""

from __future__ import annotations

import json
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


def begins_well(head: bytes) -> bool:
    """Whether a file of these first bytes, 9 or more, can be one."""
    length = int.from_bytes(head[:_PREFIX], "little")
    return head[_PREFIX : _PREFIX + 1] == b"{" and 2 <= length <= LONGEST


def entries(path: Path) -> dict[str, Entry]:
    """What the header says of each tensor. Blocks.

    Raises:
        OSError: the file cannot be read.
        ValueError: it has no such header, or not all of it.
    """
    return _read(path)[1]


def told_size(path: Path) -> int:
    """The bytes that the file has as its header tells. Blocks.

    Raises:
        OSError: the file cannot be read.
        ValueError: it has no such header, or not all of it.
    """
    length, tensors = _read(path)
    return _PREFIX + length + max((tensor.end for tensor in tensors.values()), default=0)


def _read(path: Path) -> tuple[int, dict[str, Entry]]:
    with path.open("rb") as stream:
        head = stream.read(_PREFIX + 1)
        length = int.from_bytes(head[:_PREFIX], "little")
        # The file's own size first: the length may be any number.
        if not begins_well(head) or path.stat().st_size < _PREFIX + length:
            raise _broken(path)
        stream.seek(_PREFIX)
        content = stream.read(length)
    try:
        header = json.loads(content)
        found = {name: _entry(told) for name, told in header.items() if name != _METADATA}
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise _broken(path) from error
    return length, found


def _entry(told: dict[str, Any]) -> Entry:
    begin, end = map(index, told["data_offsets"])
    return Entry(str(told["dtype"]), tuple(map(index, told["shape"])), begin, end)


def _broken(path: Path) -> ValueError:
    return ValueError(f"{path} does not begin like a safetensors file.")
