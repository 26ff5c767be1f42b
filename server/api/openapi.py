"""The OpenAPI document: FastAPI's, with the models' own schemas and our errors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from server.api import schemas
from server.api.examples import examples
from server.api.refusals import refusals
from server.catalog import ModelCatalog
from server.http import key_schemes
from server.http.request_body import PART
from server.key_errors import KeyMissing

DESCRIPTION = """\
A text-to-image server: every model family a plugin, every step a preview, no job lost.

Submit a job with `POST /api/generate`, follow it at its `sse_url`, and find the picture in the
gallery. `GET /api/info` has the exact parameters of the current model.

Errors are `application/problem+json`; their codes are explained at [/docs/errors](/docs/errors).

A server that has keys asks for one. *Authorize* at `/docs` sends yours with what you try there,
until you leave the page.
"""

TAGS = [
    {"name": "info", "description": "What this server is and accepts."},
    {"name": "jobs", "description": "Submit, look at, cancel, forget."},
    {"name": "prompts", "description": "Write them out."},
    {"name": "queue", "description": "Numbers, pause, resume."},
    {"name": "streams", "description": "Server-sent events: progress with previews, new images."},
    {"name": "gallery", "description": "Finished images, their files and recipes."},
    {"name": "models", "description": "Which there are, which is current."},
    {"name": "loras", "description": "Which there are, and what is known of them."},
    {"name": "system", "description": "Health, the machine, metrics."},
]

METHODS = frozenset({"get", "post", "put", "patch", "delete"})

#: The JSON part of a form, as an example.
FORM = '{"prompt": "the sea at night", "strength": 0.6}'

#: FastAPI's own shapes of errors, which no answer has.
FOREIGN = ("HTTPValidationError", "ValidationError")


def operation_id(route: APIRoute) -> str:
    """The name of the route's function: what generated clients call their methods by."""
    return route.name


def install(app: FastAPI, routes: Sequence[BaseRoute]) -> None:
    """Make `app.openapi()` (and `/openapi.json`) the complete document of these routes."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = build(app, routes, app.state.service.catalog)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def build(app: FastAPI, routes: Sequence[BaseRoute], catalog: ModelCatalog) -> dict[str, Any]:
    """The OpenAPI 3.1 document of these routes and the catalog's models."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary="Generate images, watch them develop, keep them.",
        description=DESCRIPTION,
        routes=routes,
        tags=TAGS,
        license_info={"name": "Apache License 2.0", "identifier": "Apache-2.0"},
    )
    document["components"]["securitySchemes"] = key_schemes.SCHEMES
    components: dict[str, Any] = document["components"]["schemas"]
    for name in FOREIGN:
        components.pop(name, None)
    _add(components, "Problem", schemas.Problem.model_json_schema())
    for operation in _operations(document):
        _complete_errors(operation["responses"])
        _describe_answers(operation["responses"], components)
        _show_names(operation.get("parameters", ()), catalog)
    document["paths"]["/api/generate"]["post"]["requestBody"] = _request_body(components, catalog)
    return document


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in document["paths"].values():
        for method in METHODS & path.keys():
            yield path[method]


def _complete_errors(responses: dict[str, Any]) -> None:
    """Every route may answer with a problem; FastAPI's own 422 never occurs."""
    if "application/json" in responses.get("422", {}).get("content", {}):
        del responses["422"]["content"]["application/json"]
        if not responses["422"]["content"]:
            del responses["422"]
    (key_missing,) = refusals(KeyMissing).values()
    responses["default"] = {**key_missing, "description": "Any other error."}


def _describe_answers(responses: dict[str, Any], components: dict[str, Any]) -> None:
    """What an answer is, said by its shape where the route says nothing."""
    for response in responses.values():
        reference = response.get("content", {}).get("application/json", {}).get("schema", {})
        name = reference.get("$ref", "").rpartition("/")[2]
        if name and response["description"] == "Successful Response":
            response["description"] = components[name]["description"]


def _show_names(parameters: Iterable[dict[str, Any]], catalog: ModelCatalog) -> None:
    """Every name in a path has an example, a model one that is here. It stands twice: Swagger UI
    looks beside the schema."""
    for parameter in parameters:
        if parameter["in"] == "path":
            if parameter["name"] == "model":
                parameter["schema"]["examples"] = [catalog.default]
            parameter["example"] = parameter["schema"]["examples"][0]


def _request_body(components: dict[str, Any], catalog: ModelCatalog) -> dict[str, Any]:
    """One schema per model, each in the components as `Params_{model}`."""
    references = []
    for _, card in catalog.cards():
        name = re.sub(r"[^A-Za-z0-9._-]", "_", f"Params_{card.id}")
        _add(components, name, catalog.schema(card.id, lasting=True))
        references.append({"$ref": f"#/components/schemas/{name}"})
    content = {"schema": {"anyOf": references}, "examples": examples(catalog)}
    return {
        "required": True,
        "description": "One model's parameters, and optionally `model`. Images (`init_image`) are "
        "data URIs or file names of the gallery; or the request is a form with the JSON in the "
        "part `request` and the images as files, each under its parameter's name (`name[]` for a "
        "parameter that is a list).",
        "content": {"application/json": content, "multipart/form-data": {"schema": _form()}},
    }


def _form() -> dict[str, Any]:
    image = {"type": "string", "format": "binary"}
    return {
        "type": "object",
        "required": [PART],
        "properties": {
            PART: {"type": "string", "description": "The request as JSON.", "examples": [FORM]},
            "init_image": {**image, "description": "A PNG, JPEG or WebP file."},
        },
        "additionalProperties": image,
    }


def _add(components: dict[str, Any], name: str, schema: dict[str, Any]) -> None:
    """Put a schema among the components, its definitions beside it as `{name}_{definition}`."""
    definitions = schema.get("$defs", {})
    places = {f"#/$defs/{key}": f"#/components/schemas/{name}_{key}" for key in definitions}
    own = {key: value for key, value in schema.items() if key not in ("$schema", "$defs")}
    components[name] = _moved(own, places)
    for key, definition in definitions.items():
        components[f"{name}_{key}"] = _moved(definition, places)


def _moved(value: Any, places: dict[str, str]) -> Any:
    """The schema with every reference to an old place pointing to the new one."""
    if isinstance(value, dict):
        return {key: _moved(item, places) for key, item in value.items()}
    if isinstance(value, list):
        return [_moved(item, places) for item in value]
    return places.get(value, value) if isinstance(value, str) else value
