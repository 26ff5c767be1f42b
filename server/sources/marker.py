"""The note that says that a folder holds all files of a reference."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from server.sources.manifest import Manifest, Selection
from server.storage import write_whole

log = logging.getLogger(__name__)

#: Markers begin so; no file of a site may begin with a dot.
PREFIX = ".darkroom-"


class Marker(BaseModel):
    """What was downloaded into a folder, written when the last file is there.

    `files` are the sizes in bytes by path, `completed` the seconds since 1970 when the last one
    was there; the other words are the manifest's.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    reference: str
    revision: str
    main: str
    variant: str | None
    without: frozenset[str]
    bare: frozenset[str] = frozenset()
    only: str | None = None
    files: dict[str, int]
    completed: float

    @classmethod
    def of(cls, manifest: Manifest, folder: Path) -> Marker:
        """The marker of files that are all there."""
        return cls(
            reference=str(manifest.reference),
            revision=manifest.revision,
            main=manifest.main,
            variant=manifest.selection.variant,
            without=manifest.selection.without,
            bare=manifest.selection.bare,
            only=manifest.selection.only,
            files={file.path: (folder / file.path).stat().st_size for file in manifest.files},
            completed=time.time(),
        )

    @property
    def selection(self) -> Selection:
        return Selection(self.variant, self.without, self.bare, self.only)

    def write(self, folder: Path) -> None:
        """Write it durably: after a crash there is a whole marker or none."""
        chosen = (self.variant, sorted(self.without), sorted(self.bare), self.only)
        digest = hashlib.sha256(f"{self.reference}\n{chosen}".encode()).hexdigest()[:12]
        content = self.model_dump_json(indent=1).encode()
        write_whole(folder / f"{PREFIX}{digest}.json", content)

    def holds(self, folder: Path) -> bool:
        """Whether the files are still there, as large as they were."""
        return all(_size(folder / name) == size for name, size in self.files.items())


def markers(folder: Path) -> Iterator[Marker]:
    """The readable markers of a folder."""
    for path in sorted(folder.glob(f"{PREFIX}*.json")):
        try:
            yield Marker.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            log.warning("%s is not readable, so what it marks counts as missing: %s", path, error)


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None
