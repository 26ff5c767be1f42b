"""Source references: from a card's `source` to a path on this machine.

Two forms exist so far: `package:NAME/SUBFOLDER`, weights inside a Python package, and the path of
a local folder or file.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

PACKAGE = "package:"


class SourceMissing(Exception):
    """The weights are not on this machine; the message says where they were looked for."""


def locate(source: str) -> Path:
    """The path of the weights that `source` names.

    Raises:
        SourceMissing: they are not there.
    """
    path = _in_package(source) if source.startswith(PACKAGE) else Path(source).expanduser()
    if not path.is_absolute():
        raise SourceMissing(f"The source {source!r} is neither `{PACKAGE}…` nor an absolute path.")
    if not path.exists():
        raise SourceMissing(f"The weights are not where the card says: {path}")
    return path


def _in_package(source: str) -> Path:
    name, _, subfolder = source.removeprefix(PACKAGE).partition("/")
    try:
        spec = find_spec(name)
    except (ModuleNotFoundError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise SourceMissing(f"The source {source!r} names a package that is not installed.")
    return Path(next(iter(spec.submodule_search_locations))).absolute() / subfolder
