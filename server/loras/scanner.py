"""Finds the files of weights below a folder, with the small files beside each; opens none."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from server.loras.sidecars import ending_of
from server.plugins.types import ModelFamily
from server.sources.formats import PICKLES, suffix

log = logging.getLogger(__name__)

#: Names of files that are listed: those that may be LoRAs, and pickles, which never are used.
WEIGHTS = frozenset({".safetensors", *PICKLES})

#: The largest number in the database.
_MOST = (1 << 63) - 1

#: A deeper folder is somebody's mistake.
_DEEPEST = 32


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of LoRAs.

    Attributes:
        key: what the database calls it: a family's name, or "" for the user's own folder.
        path: where it is.
    """

    key: str
    path: Path

    @property
    def bundled(self) -> bool:
        """Whether its files came with a family."""
        return self.key != ""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What changes when a file does.

    Attributes:
        size: its bytes' number.
        mtime_ns: when it was written last, in nanoseconds; who unpacks files sets it.
        ctime_ns: when it was changed or renamed last, which nobody can set; on Windows when it was
            made.
    """

    size: int
    mtime_ns: int
    ctime_ns: int

    @staticmethod
    def of(status: os.stat_result) -> Stamp:
        """A file's stamp. Some have dates beyond those that the database takes."""
        times = (max(-_MOST, min(ns, _MOST)) for ns in (status.st_mtime_ns, status.st_ctime_ns))
        return Stamp(status.st_size, *times)


@dataclass(frozen=True, slots=True)
class Seen:
    """A file of weights as it lies in a folder.

    Attributes:
        folder: the folder.
        name: its path relative to that, with `/`.
        stamp: its own.
        sidecars: the stamps of the files beside it, by what ends their names.
    """

    folder: Folder
    name: str
    stamp: Stamp
    sidecars: Mapping[str, Stamp] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.folder.path / self.name

    @property
    def key(self) -> tuple[str, str]:
        """What the database calls it."""
        return self.folder.key, self.name


@dataclass
class Walk:
    """One look at a folder. Blocks.

    Attributes:
        complete: whether all of it could be looked at; else files may be there that were not
            found.
        linked: folders outside of it that links lead to.
    """

    folder: Folder
    complete: bool = True
    linked: set[Path] = field(default_factory=set)
    _visited: set[tuple[int, int]] = field(default_factory=set)

    def files(self) -> Iterator[Seen]:
        """The files of weights in it, folder by folder. Names that begin with `.` are left out:
        such are files on their way here."""
        yield from self._below(self.folder.path, "", 0)

    def _below(self, place: Path, name: str, depth: int) -> Iterator[Seen]:
        try:
            status = place.stat()
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except OSError as error:
            # Without its folder, none of its files is there.
            if depth > 0 or not isinstance(error, FileNotFoundError):
                log.warning("%s cannot be looked at: %s", place, error.strerror or error)
                self.complete = False
            return
        # A link may lead to a folder above it.
        if (status.st_dev, status.st_ino) in self._visited or depth > _DEEPEST:
            return
        self._visited.add((status.st_dev, status.st_ino))
        shown = [entry for entry in entries if _is_shown(entry.name)]
        yield from self._of_one_folder(shown, name)
        for entry in shown:
            if _is_folder(entry):
                if entry.is_symlink():
                    self.linked.add(Path(entry.path))
                yield from self._below(Path(entry.path), f"{name}{entry.name}/", depth + 1)

    def _of_one_folder(self, entries: list[os.DirEntry[str]], name: str) -> Iterator[Seen]:
        weights = {
            entry.name: stamp
            for entry in entries
            if suffix(entry.name) in WEIGHTS and (stamp := _stamp(entry)) is not None
        }
        stems = {Path(file).stem for file in weights}
        beside: dict[str, dict[str, Stamp]] = defaultdict(dict)
        for entry in entries:
            ending = ending_of(entry.name, stems)
            if ending is not None and (stamp := _stamp(entry)) is not None:
                beside[entry.name.removesuffix(ending)][ending] = stamp
        for file, stamp in weights.items():
            yield Seen(self.folder, name + file, stamp, beside.get(Path(file).stem, {}))


def _is_shown(name: str) -> bool:
    """Whether a name is one to list; the database and answers are UTF-8, and some names are not."""
    if name.startswith("."):
        return False
    try:
        name.encode()
    except UnicodeEncodeError:
        log.warning("A file is left out since its name is not UTF-8: %r", name)
        return False
    return True


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _stamp(entry: os.DirEntry[str]) -> Stamp | None:
    """A file's stamp; None for what is none, a link to nothing, say."""
    try:
        if not entry.is_file():
            return None
        status = entry.stat()
    except OSError:
        return None
    return Stamp.of(status)


def folders_of(user: Path, families: Mapping[str, ModelFamily]) -> list[Folder]:
    """The user's folder of LoRAs, and those that families bring."""
    own = [
        Folder(name, family.loras.folder)
        for name, family in families.items()
        if family.loras is not None and family.loras.folder is not None
    ]
    return [Folder("", user), *own]
