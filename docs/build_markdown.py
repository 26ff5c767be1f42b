"""Markdown of tables and JSON Schemas, for the programs that write pages from the code."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; line breaks in cells become spaces."""
    lines = [head, ["---"] * len(head), *rows]
    cells = ([" ".join(cell.split()).replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def code(words: Iterable[str]) -> str:
    """Words as code, between commas."""
    return ", ".join(f"`{word}`" for word in words)


def kind(schema: Mapping[str, Any], root: Any) -> str:
    """A JSON Schema in words; `root` is the document that its references point into."""
    if "$ref" in schema:
        return _reference(schema["$ref"], root)
    if "anyOf" in schema:
        return " or ".join(kind(option, root) for option in schema["anyOf"])
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema.get("type") == "array":
        return f"list of {kind(schema.get('items', {}), root)}"
    name = "path" if schema.get("format") == "path" else schema.get("type", "anything")
    return f"{name}{_bounds(schema)}"


def meaning(text: str, schema: Mapping[str, Any]) -> str:
    """A description with the default behind it."""
    default = schema.get("default")
    return text if default is None else f"{text} Default: {json.dumps(default)}."


def _reference(pointer: str, root: Any) -> str:
    name = pointer.rpartition("/")[2]
    target: Any = root
    for step in pointer.removeprefix("#/").split("/"):
        target = target[step]
    return f"[{name}](#{name.lower()})" if "properties" in target else kind(target, root)


def _bounds(schema: Mapping[str, Any]) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    steps = f", in steps of {schema['multipleOf']}" if "multipleOf" in schema else ""
    if least is not None and most is not None:
        return f" ({least}–{most}{steps})"
    return "" if least is None else f" (at least {least}{steps})"
