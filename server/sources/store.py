"""Where the files of references lie on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from server.source_errors import SourceMissing, UnsafeFile
from server.sources import hub_cache
from server.sources.formats import PICKLES, WEIGHTS, suffix
from server.sources.kinds import Civitai, Hub, Local, Package, Reference, Remote
from server.sources.layout import INDEX, TEXTS
from server.sources.listing import revision_of
from server.sources.manifest import PLAIN, Manifest, Selection
from server.sources.marker import Marker, markers
from server.sources.references import local_path, parse


class ModelStore:
    """The folder of downloaded models, `hub/ORG--NAME/COMMIT/`, `civitai/VERSION/` and
    `url/HASH/` below it, with the hub's own cache behind it."""

    def __init__(self, folder: Path, hub_cache: Path) -> None:
        """
        Args:
            folder: `Folders.models`.
            hub_cache: `Sites.hub_cache`; it is only read.
        """
        self._folder = folder
        self._hub_cache = hub_cache

    def locate(self, reference: Reference, selection: Selection = PLAIN) -> Path | None:
        """The file or folder to load, or None when it is not (completely) here.

        Raises:
            SourceMissing: the reference names a package that is not installed, or a local folder
                without weights.
            UnsafeFile: a local folder's weights are pickles only.
            OSError: the disk does not tell.
        """
        if isinstance(reference, Package | Local):
            path = local_path(reference)
            if path.is_dir() and selection.only is None:
                _check_holds_weights(path)
            return path if path.exists() else None
        wish = selection.of(reference)
        for folder, marker in self._marked(reference):
            if marker.selection.covers(wish) and marker.holds(folder):
                return folder / marker.main
        if isinstance(reference, Hub):
            return hub_cache.find(self._hub_cache, reference, wish)
        return None

    def folder(self, manifest: Manifest) -> Path:
        """Where the files of a manifest go."""
        return self._home(manifest.reference) / manifest.revision

    def folders(self, reference: Remote) -> list[Path]:
        """Every folder that holds (parts of) a reference's files. Files that another reference to
        the same revision uses lie there too. The hub's cache is left out."""
        marked = {folder for folder, _ in self._marked(reference)}
        home, revision = self._home(reference), _revision(reference)
        if revision is not None:
            marked |= {folder for folder in _subfolders(home) if folder.name == revision}
        elif isinstance(reference, Hub):
            marked |= set(_subfolders(home))  # of an interrupted download no more is known
        return sorted(marked)

    def _home(self, reference: Remote) -> Path:
        """The folder with a folder per revision."""
        if isinstance(reference, Hub):
            return self._folder / "hub" / reference.repo.replace("/", "--")
        return self._folder / ("civitai" if isinstance(reference, Civitai) else "url")

    def _marked(self, reference: Remote) -> Iterator[tuple[Path, Marker]]:
        """The markers of a reference, the newest first."""
        found = [
            (folder, marker)
            for folder in _subfolders(self._home(reference))
            for marker in markers(folder)
            if _same(reference, marker)
        ]
        found.sort(key=lambda pair: -pair[1].completed)
        yield from found


def _check_holds_weights(folder: Path) -> None:
    """
    Raises:
        SourceMissing: it is empty, or has nothing but texts.
        UnsafeFile: there are pickles and no weights.
    """
    if (folder / INDEX).is_file():
        return
    kinds = {suffix(path.name) for path in folder.rglob("*") if path.is_file()}
    if not kinds & WEIGHTS and kinds & PICKLES:
        raise UnsafeFile(
            f"{folder} holds pickles ({', '.join(sorted(kinds & PICKLES))}), which can run any "
            "code when they are loaded and are never used. Look for .safetensors files."
        )
    # A plugin may have weights of its own kind, or none but its code.
    if kinds <= {*TEXTS, ".md", ""}:
        raise SourceMissing(f"{folder} has no {INDEX} and no .safetensors or .gguf files.")


def _subfolders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []


def _same(reference: Remote, marker: Marker) -> bool:
    """Whether a marker is of this reference, by its words or by what they came to."""
    if marker.reference == str(reference):
        return True
    if _revision(reference) != marker.revision:
        return False
    marked = parse(marker.reference)
    return not isinstance(marked, Package | Local) and _without_revision(
        marked
    ) == _without_revision(reference)


def _revision(reference: Remote) -> str | None:
    """The revision that a reference names, if it does."""
    if isinstance(reference, Hub):
        return reference.revision
    if isinstance(reference, Civitai):
        return None if reference.version is None else str(reference.version)
    return revision_of(reference)


def _without_revision(reference: Remote) -> Remote:
    """What a reference means within its revision."""
    if isinstance(reference, Hub):
        return replace(reference, revision=None)
    if isinstance(reference, Civitai):
        return replace(reference, model=None, version=0)
    return reference
