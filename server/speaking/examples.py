"""Examples of requests and answers: made of those of their parts, and made whole again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_REFERENCE = "#/components/schemas/"


class NoExample(Exception):
    """A part has none."""


def add_examples(document: dict[str, Any]) -> None:
    """Give every JSON body of an OpenAPI document an example where its shape tells one: that of the
    shape itself, or made of its fields' and items'."""
    schemas = document.get("components", {}).get("schemas", {})
    for methods in document.get("paths", {}).values():
        for operation in methods.values():
            bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
            for body in bodies:
                _add(body.get("content", {}).get("application/json"), schemas)


def restore_nulls(document: dict[str, Any]) -> None:
    """Put back the nulls of examples where they must be: FastAPI leaves them out of documents."""
    schemas = document.get("components", {}).get("schemas", {})
    for schema in schemas.values():
        for example in schema.get("examples", ()):
            _restore(example, schema, schemas)
    for methods in document.get("paths", {}).values():
        for operation in methods.values():
            bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
            for content in [body.get("content", {}).get("application/json", {}) for body in bodies]:
                named = [each.get("value") for each in content.get("examples", {}).values()]
                for example in [*named, content.get("example")]:
                    _restore(example, content.get("schema", {}), schemas)


def _restore(example: Any, schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> None:
    if "$ref" in schema:
        schema = schemas[schema["$ref"].removeprefix(_REFERENCE)]
    if isinstance(example, list):
        for item in example:
            _restore(item, schema.get("items", {}), schemas)
    elif isinstance(example, dict):
        for name, described in schema.get("properties", {}).items():
            choices = [described, *described.get("anyOf", ())]
            if name in example:
                for choice in choices:
                    _restore(example[name], choice, schemas)
            elif name in schema.get("required", ()) and any(map(_is_null, choices)):
                example[name] = None


def _is_null(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "null"


def _add(content: dict[str, Any] | None, schemas: Mapping[str, Any]) -> None:
    if not content or content.keys() & {"example", "examples"} or "schema" not in content:
        return
    try:
        content["example"] = _example(content["schema"], schemas)
    except NoExample:
        return


def _example(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    """
    Raises:
        NoExample
    """
    if "$ref" in schema:
        return _example(schemas[schema["$ref"].removeprefix(_REFERENCE)], schemas)
    told = [*schema.get("examples", ()), *schema.get("enum", ())]
    told += [schema[word] for word in ("const", "default") if word in schema]
    if told or _is_null(schema):
        return told[0] if told else None
    if "items" in schema:
        return [_example(schema["items"], schemas)]
    if "properties" in schema:
        return _fields(schema, schemas)
    if "anyOf" in schema:
        return _example(schema["anyOf"][0], schemas)
    raise NoExample


def _fields(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    """
    Raises:
        NoExample: a field that must be there has none.
    """
    found = {}
    for name, described in schema["properties"].items():
        try:
            found[name] = _example(described, schemas)
        except NoExample:
            if name in schema.get("required", ()):
                raise
    return found
