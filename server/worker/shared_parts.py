"""Components that several models have in common are in memory once: known by their content.

A text encoder of ten gigabytes is the same in several families. Two components are the same if
their class, their type, their configuration and the bytes of their weights are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

#: Words of configurations that tell who saved them, and with what.
_PROVENANCE = ("_", "transformers_version", "torch_dtype", "dtype")

#: Bytes of a file that are looked at before all of it is: models of one kind differ early.
_PROBE = 2**16
_PROBES = 16


@dataclass(frozen=True, slots=True)
class Identity:
    """What a component is loaded from, and how.

    Attributes:
        kind: its class and how its numbers are held.
        config: its configuration, without words on its provenance.
        files: its weights.
        states: the files' sizes and times of change, when it was looked at.
    """

    kind: str
    config: str
    files: tuple[Path, ...]
    states: tuple[tuple[int, int], ...]

    @classmethod
    def of(
        cls, kind: Iterable[object], config: Mapping[str, Any], files: Iterable[Path]
    ) -> Identity:
        """The identity of a component of this class and type (`kind`)."""
        words = {key: value for key, value in config.items() if not key.startswith(_PROVENANCE)}
        found = tuple(sorted(files))
        states = tuple(map(_state, found))
        return cls(" ".join(map(str, kind)), json.dumps(words, sort_keys=True), found, states)

    @property
    def probe(self) -> str:
        """Says of most different components that they are."""
        digest = hashlib.sha256(f"{self.kind}\n{self.config}".encode())
        for file in self.files:
            size = file.stat().st_size
            digest.update(size.to_bytes(8, "little"))
            with file.open("rb") as stream:
                for part in range(_PROBES):
                    stream.seek(part * size // _PROBES)
                    digest.update(stream.read(_PROBE))
        return digest.hexdigest()

    def equals(self, other: Identity) -> bool:
        """Whether the files hold the same bytes too, where the probes are equal.

        If this one's files were changed or removed since, nobody can tell.
        """
        try:
            if tuple(map(_state, self.files)) != self.states:
                return False
        except FileNotFoundError:
            return False
        return self.files == other.files or _hashes(self.files) == _hashes(other.files)


class SharedParts:
    """The components that some model in memory has; they go with the last one that does."""

    def __init__(self) -> None:
        self._modules: WeakValueDictionary[str, Any] = WeakValueDictionary()
        self._identities: dict[str, Identity] = {}

    def __len__(self) -> int:
        return len(self._modules)

    def find(self, identity: Identity) -> Any | None:
        """The component that was loaded from the same content, if it is still in memory."""
        probe = identity.probe
        module = self._modules.get(probe)
        if module is None or not self._identities[probe].equals(identity):
            return None
        return module

    def keep(self, identity: Identity, module: Any) -> None:
        """`module` was loaded from this."""
        self._identities = {key: self._identities[key] for key in list(self._modules)}
        probe = identity.probe
        self._modules[probe] = module
        self._identities[probe] = identity


#: Those of this process.
SHARED_PARTS = SharedParts()


def _hashes(files: Iterable[Path]) -> list[str]:
    return [_hash(file, *_state(file)) for file in files]


def _state(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_size, found.st_mtime_ns


@lru_cache(maxsize=256)
def _hash(file: Path, _size: int, _changed: int) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
