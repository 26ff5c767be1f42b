"""The OpenAPI document of a dialect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from fastapi import APIRouter
from fastapi.openapi.utils import get_openapi
from starlette.responses import JSONResponse

from server import __version__
from server.errors import NotFound
from server.http.faces import Face
from server.http.key_schemes import SCHEMES
from server.plugins.types import Dialect
from server.speaking.examples import add_examples, restore_nulls
from server.speaking.loading import Spoken
from server.wording import shortened

#: FastAPI's own shapes of errors, which no answer has.
FOREIGN = ("HTTPValidationError", "ValidationError")


def document(dialect: Dialect, faces: Iterable[Face]) -> dict[str, Any]:
    """The OpenAPI 3.1 document of a dialect's faces. Each route says itself how it refuses:
    FastAPI's automatic 422 does not occur."""
    routes = [route for face in faces for route in face.router.routes]
    found = get_openapi(
        title=f"Darkroom: {dialect.title}",
        version=__version__,
        routes=routes,
        license_info={"name": "Apache License 2.0", "identifier": "Apache-2.0"},
    )
    components = found.setdefault("components", {})
    components["securitySchemes"] = SCHEMES
    schemas = components.get("schemas", {})
    for name in FOREIGN:
        schemas.pop(name, None)
    for path in found.get("paths", {}).values():
        for operation in path.values():
            _without_automatic_422(operation["responses"])
    restore_nulls(found)
    add_examples(found)
    return found


def documents(spoken: Mapping[str, Spoken]) -> APIRouter:
    """Serves the document of each dialect, as it is spoken on the main port, at
    `/openapi/{dialect}.json`."""
    router = APIRouter(include_in_schema=False)

    @cache
    def described(name: str) -> dict[str, Any]:
        return document(spoken[name].dialect, spoken[name].faces.main)

    async def show(dialect: str) -> JSONResponse:
        if dialect not in spoken:
            raise NotFound(f"There is no dialect {shortened(dialect)!r}, only {', '.join(spoken)}.")
        return JSONResponse(described(dialect))

    router.add_api_route("/openapi/{dialect}.json", show)
    return router


def _without_automatic_422(responses: dict[str, Any]) -> None:
    content = responses.get("422", {}).get("content", {}).get("application/json", {})
    if content.get("schema", {}).get("$ref", "").endswith("/HTTPValidationError"):
        del responses["422"]
