"""Which paths that requests name may be looked at."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from server.folders import absolute


def inside(path: Path, folders: Iterable[Path]) -> Path | None:
    """The place that an absolute path means, symbolic links followed, if it lies in one of these
    folders or is one; else None. Of a path that leads elsewhere nothing on the disk is looked at,
    so that nobody learns what is there."""
    if "\0" in str(path):
        return None
    written = Path(os.path.normpath(path))
    for folder in folders:
        real = absolute(folder).resolve()
        if written.is_relative_to(absolute(folder)) or written.is_relative_to(real):
            place = _resolved(written)
            if place is not None and place.is_relative_to(real):
                return place
    return None


def _resolved(path: Path) -> Path | None:
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # links in a circle
        return None
