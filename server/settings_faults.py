"""What is wrong with settings, in people's words: which one, where it was made, what to write."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from server.dialect_entry import ListenEntry
from server.enrich_entry import EnrichEntry
from server.lora_entry import LoraEntry
from server.model_entry import ModelEntry
from server.settings_file import NAME
from server.wording import shown

PREFIX = "DARKROOM_"

#: Settings that are lists of tables, by what a table is.
LISTS: Mapping[str, type[BaseModel]] = {
    "models": ModelEntry,
    "loras": LoraEntry,
    "listen": ListenEntry,
}

#: The word of such a table that names it.
NAMES: Mapping[str, str] = {"models": "id", "loras": "ref", "listen": "dialect"}

#: Settings that are one table.
TABLES: Mapping[str, type[BaseModel]] = {"enrich": EnrichEntry}


@dataclass(frozen=True, slots=True)
class Given:
    """Where settings came from: the command line, and the values of the file `config`. `known` is
    the class of all settings."""

    overrides: Mapping[str, Any]
    file: Mapping[str, Any]
    config: Path | None
    known: type[BaseModel]

    def problem(self, error: ErrorDetails) -> dict[str, Any]:
        """One fault as `{loc, msg}`."""
        where = error["loc"]
        return {"loc": self._place(where), "msg": self._explain(error) + self._origin(where)}

    def _place(self, where: tuple[int | str, ...]) -> tuple[int | str, ...]:
        """`where` in people's words: an entry of a list by its name, where that can be told."""
        match where:
            case (str(listed), int(position), *rest) if listed in LISTS:
                variable = f"{PREFIX}{listed}".upper()
                elsewhere = listed in self.overrides or variable in map(str.upper, os.environ)
                entry = None if elsewhere else self.file[listed][position]
                name = entry.get(NAMES[listed]) if isinstance(entry, dict) else None
                name = shown(str(name)) if name else f"number {position + 1}"
                return (": ".join([f"[[{listed}]] {name}", *map(str, rest)]),)
        return where

    def _origin(self, where: tuple[int | str, ...]) -> str:
        """Where a setting at fault was made, in parentheses."""
        if not where:
            return ""
        name = str(where[0])
        variables = [key for key in os.environ if key.upper() == f"{PREFIX}{name}".upper()]
        on_line = ["the command line"] * (name in self.overrides)
        return f" (from {[*on_line, *variables, str(self.config or NAME)][0]})"

    def _explain(self, error: ErrorDetails) -> str:
        where = error["loc"]
        listed = str(where[0]) if where else ""
        if where == (listed,) and listed in LISTS and isinstance(error["input"], dict):
            return f"each is a table of its own: write `[[{listed}]]`, in double brackets"
        if error["type"] != "extra_forbidden":
            return error["msg"]
        fields = {**LISTS, **TABLES}.get(listed, self.known).model_fields
        near = difflib.get_close_matches(str(where[-1]), fields, n=1)
        hint = f"; did you mean `{near[0]}`?" if near else ""
        return f"there is no such setting{hint}"
