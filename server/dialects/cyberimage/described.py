"""How the documentation describes the routes: examples are those of the original's own."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from server.dialects.cyberimage.protocol import EnrichRequest, GenerateRequest
from server.dialects.cyberimage.refusal import refusals
from server.errors import (
    BodyTooLarge,
    DarkroomError,
    ForeignHost,
    InvalidParameters,
    MalformedRequest,
    Unavailable,
    UnsupportedMediaType,
)
from server.http.json_model import described
from server.http.timeout_errors import RequestTimeout
from server.key_errors import KeyNeeded, ScopeMissing, TooManyFailures

#: Not in Python: they hold names of models.
EXAMPLES: dict[str, Any] = json.loads(Path(__file__).with_name("examples.json").read_text("utf-8"))

#: What any request may meet.
EVERYWHERE = (KeyNeeded, ScopeMissing, ForeignHost, TooManyFailures, DarkroomError, Unavailable)

#: What any request with a body may meet.
WITH_BODY = (
    *(MalformedRequest, InvalidParameters, RequestTimeout, BodyTooLarge, UnsupportedMediaType),
)


def responses(
    model: type[BaseModel] | None, *examples: str, errors: Iterable[type[DarkroomError]] = ()
) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route.

    Args:
        model: what it answers with; None: with an image.
        examples: the names of examples of that.
        errors: what it may meet besides what any may.
    """
    found = refusals(*EVERYWHERE, *errors)
    for entry in found.values():
        entry["content"] = {"application/json": {"example": EXAMPLES["error"]}}
    if model is None:
        return {200: {"description": "The PNG.", "content": {"image/png": {}}}, **found}
    values = {name: {"value": EXAMPLES[name]} for name in examples}
    return {200: {"model": model, "content": {"application/json": {"examples": values}}}, **found}


def generate_body(model_ids: Iterable[str]) -> dict[str, Any]:
    """How the body of a request for images is described; `model_ids` are those that there are."""
    schema = GenerateRequest.model_json_schema()
    schema["properties"]["model_id"]["enum"] = list(model_ids)
    return described(schema, EXAMPLES["generate_request"])


def enrich_body() -> dict[str, Any]:
    """How the body of a request to write a prompt out is described."""
    return described(EnrichRequest.model_json_schema(), EXAMPLES["enrich_request"])
