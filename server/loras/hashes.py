"""The hashes by which people name a file of weights.

AutoV1 is the oldest, of AUTOMATIC1111's web UI: the first 8 digits of the SHA256 of 64 KiB that
begin at 1 MiB. AutoV2 is the first 10 digits of the SHA256 of the whole file. AutoV3, of kohya's
sd-scripts and the web UI's LoRAs (`addnet_hash_safetensors`), is the SHA256 of all that stands
behind a safetensors file's header, so that it stays the same when only metadata change; civitai
shows its first 12 digits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

#: Digits of AutoV3 that civitai shows.
AUTOV3_SHOWN = 12

#: Where the bytes of AutoV1 begin and end.
_AUTOV1_BEGIN = 0x100000
_AUTOV1_END = 0x110000

_CHUNK = 1 << 20


class Interrupted(Exception):
    """The reading was given up because nobody waits for it any more."""


@dataclass(frozen=True, slots=True)
class Hashes:
    """Hexadecimal digits in lower case: 64 of `sha256` and `autov3`, 8 of `autov1`, which is None
    for files that end before its bytes do."""

    sha256: str
    autov1: str | None
    autov3: str

    @property
    def autov2(self) -> str:
        """The first 10 digits of `sha256`."""
        return self.sha256[:10]


def hashes(path: Path, header: int, stop: Callable[[], bool] = lambda: False) -> Hashes:
    """All hashes of a file, in one pass over it. Blocks.

    Args:
        path: the file.
        header: bytes of its safetensors header, the length in front of it included; 0 where it
            has none.
        stop: asked after each MiB; true gives up.

    Raises:
        OSError: the file cannot be read.
        Interrupted: `stop` said so.
    """
    whole, behind, oldest = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
    position = 0
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            whole.update(chunk)
            behind.update(_part(chunk, position, header, None))
            oldest.update(_part(chunk, position, _AUTOV1_BEGIN, _AUTOV1_END))
            position += len(chunk)
            if stop():
                raise Interrupted
    autov1 = oldest.hexdigest()[:8] if position >= _AUTOV1_END else None
    return Hashes(whole.hexdigest(), autov1, behind.hexdigest())


def _part(chunk: bytes, position: int, begin: int, end: int | None) -> memoryview:
    """What of a chunk at `position` lies between two places of the file."""
    last = None if end is None else max(end - position, 0)
    return memoryview(chunk)[max(begin - position, 0) : last]
