"""The hub's own cache of downloads, which other programs fill: read, never written.

Its layout: `models--ORG--NAME/refs/REVISION` holds a commit, `snapshots/COMMIT` the files.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from server.sources.kinds import Hub
from server.sources.layout import INDEX, bare, components, is_whole
from server.sources.manifest import Selection


def find(cache: Path, reference: Hub, selection: Selection) -> Path | None:
    """The folder or file of a reference, when all that is needed to load it is there."""
    snapshot = _snapshot(cache / f"models--{reference.repo.replace('/', '--')}", reference.revision)
    if snapshot is None:
        return None
    path = snapshot / reference.path
    if reference.is_file:
        return path if path.is_file() else None
    return path if _is_loadable(path, selection) else None


def _snapshot(repository: Path, revision: str | None) -> Path | None:
    """The folder of a revision: a branch or tag by its note, else a commit itself."""
    try:
        commit = (repository / "refs" / (revision or "main")).read_text(encoding="utf-8").strip()
    except OSError:
        commit = revision or ""
    folder = repository / "snapshots" / commit
    return folder if commit and folder.is_dir() else None


def _is_loadable(folder: Path, selection: Selection) -> bool:
    """Whether a pipeline, or else a model, is whole; another program may have fetched less."""
    if not (folder / INDEX).is_file():
        return is_whole(_names(folder), None, selection.variant)
    wanted = components(_index(folder / INDEX), selection)
    return bool(wanted) and all(
        _is_there(folder / name, kind, selection) for name, kind in wanted.items()
    )


def _is_there(component: Path, kind: str, selection: Selection) -> bool:
    names = _names(component)
    if component.name in selection.bare:
        return bool(bare(names))
    return is_whole(names, kind, selection.variant)


def _index(path: Path) -> dict[str, Any]:
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return index if isinstance(index, dict) else {}


def _names(folder: Path) -> list[str]:
    """The files of a folder, without the links to nothing that an interrupted download leaves."""
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(path.name for path in found if path.is_file())
