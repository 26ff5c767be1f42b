"""Reads `darkroom.toml`; its relative paths become absolute."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from server.errors import ConfigurationError
from server.folders import absolute
from server.model_entry import is_local

NAME = "darkroom.toml"

#: Settings that are paths, and those that are lists of them.
PATHS = ("data", "plugin_folder", "model_folder")
PATH_LISTS = ("allowed_folders",)


def read(config: Path | None) -> dict[str, Any]:
    """The values of a configuration file; None reads that of the current folder, if any.

    Raises:
        ConfigurationError: it cannot be read, or is not TOML.
    """
    path = config if config is not None else Path(NAME)
    if config is None and not path.is_file():
        return {}
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}") from error
    base = path.absolute().parent
    for name in PATHS:
        values |= {name: _path(values[name], base)} if name in values else {}
    for name in PATH_LISTS:
        if isinstance(values.get(name), list):
            values[name] = [_path(item, base) for item in values[name]]
    for name, anchor in _ANCHORS.items():
        tables = values.get(name)
        for table in tables if isinstance(tables, list) else ():
            anchor(table, base)
    return values


def _path(value: Any, base: Path) -> Any:
    return absolute(value, base) if isinstance(value, str) else value


def _anchor_model(model: Any, base: Path) -> None:
    """Make the local sources of a `[[models]]` table absolute; validation comes later."""
    parts = model.get("components", {}) if isinstance(model, dict) else {}
    for table in (model, parts):
        for name, source in table.items() if isinstance(table, dict) else ():
            is_source = name in {"source", "config"} or table is parts
            if is_source and isinstance(source, str) and is_local(source, base):
                table[name] = str(absolute(source, base))


def _anchor_lora(lora: Any, base: Path) -> None:
    """Make the local `ref` of a `[[loras]]` table absolute; validation comes later."""
    ref = lora.get("ref") if isinstance(lora, dict) else None
    if isinstance(ref, str) and is_local(ref, base):
        lora["ref"] = str(absolute(ref, base))


_ANCHORS: Mapping[str, Callable[[Any, Path], None]] = {
    "models": _anchor_model,
    "loras": _anchor_lora,
}
