"""Where plugins are found: the built-in package, installed distributions, the user's folder.

Nothing is imported here; a `Candidate` says how to.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import server

ENTRY_POINT_GROUP = "darkroom.plugins"

_VERSION = re.compile(r"""^__version__\s*=\s*["']([^"']+)["']""", re.MULTILINE)


class Misplaced(Exception):
    """A plugin cannot be imported from where it lies; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A plugin that was found and not yet imported.

    Attributes:
        name: the plugin's name in answers and messages.
        version: the distribution's, the file's `__version__`, or the server's for built-ins.
        origin: where it comes from, for people.
        package: the module that all of its modules are or lie in.
        load: imports it and returns the plugin object; raises whatever the plugin's import does,
            and `Misplaced`.
    """

    name: str
    version: str
    origin: str
    package: str
    load: Callable[[], object]


def found_plugins(plugin_folder: Path | None) -> Iterator[Candidate]:
    """The plugins that do not come with the server: installed ones, then the user's own, each group
    by name."""
    yield from _installed()
    if plugin_folder is not None:
        yield from _in_folder(plugin_folder.absolute())


def built_in_plugins(package: str) -> Iterator[Candidate]:
    """The subpackages of a package, by name."""
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        path = f"{package}.{module.name}"
        if not module.name.startswith("_"):
            yield Candidate(module.name, server.__version__, "built-in", path, _importer(path))


def _importer(module: str) -> Callable[[], object]:
    return lambda: importlib.import_module(module)


def _installed() -> Iterator[Candidate]:
    for point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: point.name):
        yield _from_entry_point(point)


def _from_entry_point(point: EntryPoint) -> Candidate:
    name, version = (point.dist.name, point.dist.version) if point.dist else ("", "")
    # Not `point.module`, which raises when the entry point is malformed; its load() may.
    package = point.value.partition(":")[0].partition(".")[0].strip()
    return Candidate(point.name, version, f"distribution {name}", package, point.load)


def _in_folder(folder: Path) -> Iterator[Candidate]:
    try:
        files = sorted(folder.iterdir())
    except OSError as error:
        yield _unreadable(folder, error)
        return
    for path in files:
        source = path / "__init__.py" if path.is_dir() else path
        if path.name[0] not in "_." and source.suffix == ".py" and source.is_file():
            name = path.name.removesuffix(".py")
            yield Candidate(name, _written_version(source), str(path), name, _loader(source))


def _unreadable(folder: Path, error: OSError) -> Candidate:
    def load() -> object:
        raise Misplaced(
            f"The plugin folder {folder} cannot be read ({error.strerror}): create it, or change "
            "`plugin_folder`."
        )

    return Candidate(folder.name, "", str(folder), folder.name, load)


def _written_version(source: Path) -> str:
    """`__version__` as it stands in the text: known even when the import fails."""
    try:
        found = _VERSION.search(source.read_text("utf-8", errors="replace"))
    except OSError:
        return ""
    return found[1] if found else ""


def _loader(source: Path) -> Callable[[], object]:
    """Import a module of the user's folder, whose parent must be on `sys.path` for good: the
    worker imports the family's `load` from there."""
    own = source.parent if source.name == "__init__.py" else source
    stem, folder = own.name.removesuffix(".py"), own.parent

    def load() -> object:
        if not stem.isidentifier():
            raise Misplaced(
                f"{own.name} cannot be imported: rename it, with letters, digits and underscores "
                "only."
            )
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
        importlib.invalidate_caches()
        other = _namesake(stem, source, folder)
        if other is not None:
            raise Misplaced(f"{own} has the module name of {other}: rename the plugin.")
        return importlib.import_module(stem)

    return load


def _namesake(stem: str, source: Path, folder: Path) -> str | None:
    """The other module called `stem`: one that hides the plugin, or that the plugin hides."""
    elsewhere = [path for path in sys.path if path != str(folder)]
    for spec in (_current_spec(stem), PathFinder.find_spec(stem, elsewhere)):
        # A spec without an origin is a plain folder somewhere on the path, not a module.
        # Links are followed: the same file in two plugin folders is one module.
        if spec and spec.origin and Path(spec.origin).resolve() != source.resolve():
            return spec.origin if spec.has_location else f"Python's own {stem}"
    return None


def _current_spec(stem: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(stem)
    except ValueError:
        # A module without a spec, `__main__` say, already has the name.
        return ModuleSpec(stem, None, origin="loaded")
