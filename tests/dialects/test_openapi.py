"""The OpenAPI documents of the dialects are complete: shapes and examples for whatever is sent and
answered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from jsonschema import Draft202012Validator

from server.app import create_app
from server.config import Settings
from server.speaking.openapi import document

NAMES = ("bfl", "krea", "cyberimage", "desktop", "openai", "automatic1111")
FACES = [(name, place) for name in NAMES for place in ("main", "own")]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    return create_app(Settings(data=tmp_path_factory.mktemp("data"), executor="inline"))


def described(app: FastAPI, name: str, place: str) -> dict[str, Any]:
    spoken = app.state.spoken[name]
    faces = spoken.faces.main if place == "main" else [spoken.faces.own()]
    return document(spoken.dialect, faces)


def operations(found: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def contents(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What an operation is sent and answers, as JSON."""
    sent = operation.get("requestBody", {}).get("content", {})
    answers = [*operation["responses"].items()]
    for where, types in [
        ("request", sent),
        *((key, each.get("content", {})) for key, each in answers),
    ]:
        if "application/json" in types:
            yield where, types["application/json"]


def examples(content: dict[str, Any], components: dict[str, Any]) -> list[Any]:
    """Those beside the schema, else those inside."""
    if content.get("schema") == {"type": "null"}:
        return [None]
    named = [each["value"] for each in content.get("examples", {}).values()]
    schema = content.get("schema", {})
    schema = components.get(schema.get("$ref", "").rpartition("/")[2], schema)
    inside = schema.get("examples", [])
    one = [content["example"]] if "example" in content else []
    return named or one or inside


@pytest.mark.parametrize(("name", "place"), FACES)
def test_every_operation_says_what_it_answers(app: FastAPI, name: str, place: str) -> None:
    found = described(app, name, place)
    silent = []
    for label, operation in operations(found):
        answers = operation["responses"]
        good = [each for status, each in answers.items() if status.startswith("2")]
        if not operation.get("description") or not good:
            silent.append(label)
        silent += [f"{label} {where}" for where, each in contents(operation) if not each["schema"]]
    assert silent == []


@pytest.mark.parametrize(("name", "place"), FACES)
def test_every_body_has_an_example_that_fits_its_shape(app: FastAPI, name: str, place: str) -> None:
    found = described(app, name, place)
    components = found.get("components", {})
    lacking, wrong = [], []
    for label, operation in operations(found):
        for where, content in contents(operation):
            shown = examples(content, components.get("schemas", {}))
            if not shown and (where == "request" or where.startswith("2")):
                lacking.append(f"{label} {where}")
            validator = Draft202012Validator({**content["schema"], "components": components})
            wrong += [
                f"{label} {where}: {error.message}"
                for example in shown
                for error in validator.iter_errors(example)
            ]
    assert (lacking, wrong) == ([], [])


@pytest.mark.parametrize(("name", "place"), FACES)
def test_a_key_can_be_given(app: FastAPI, name: str, place: str) -> None:
    found = described(app, name, place)
    assert found["components"]["securitySchemes"].keys() == {"x-key", "bearer"}
    assert all("security" in operation for _, operation in operations(found))
    scopes = [scope for _, each in operations(found) for way in each["security"] for scope in way]
    assert set(scopes) == {"x-key", "bearer"}


@pytest.mark.parametrize(("name", "place"), FACES)
def test_the_frameworks_own_errors_do_not_occur(app: FastAPI, name: str, place: str) -> None:
    found = described(app, name, place)
    assert "HTTPValidationError" not in str(found)
