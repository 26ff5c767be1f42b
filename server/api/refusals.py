"""How the documentation describes the errors of a route."""

from __future__ import annotations

import inspect
from typing import Any

from server.errors import DarkroomError, InvalidParameters
from server.http.problem import MEDIA_TYPE, document

PROBLEM = {"$ref": "#/components/schemas/Problem"}

EXAMPLE_ERRORS = [
    {"loc": ["width"], "msg": "Input should be a multiple of 16", "type": "multiple_of"}
]


def refusals(*errors: type[DarkroomError]) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer with these errors; those of the same status
    share one entry."""
    found: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        entry = found.setdefault(error.status, _empty())
        entry["description"] = " ".join([entry["description"], _sentence(error)]).strip()
        entry["content"][MEDIA_TYPE]["examples"][error.code] = {"value": document(_example(error))}
    return found


def _empty() -> dict[str, Any]:
    return {"description": "", "content": {MEDIA_TYPE: {"schema": PROBLEM, "examples": {}}}}


def _sentence(error: type[DarkroomError]) -> str:
    return f"`{error.code}`: {inspect.getdoc(error)}".partition("\n")[0]


def _example(error: type[DarkroomError]) -> DarkroomError:
    return InvalidParameters(EXAMPLE_ERRORS) if error is InvalidParameters else error()
