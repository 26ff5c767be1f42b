"""The JSON Schema of requests to a model: its family's, with what its card and its LoRAs change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from server.generation import COMMON_WORDS
from server.plugins.types import ModelCard, ModelFamily

DRAFT = "https://json-schema.org/draft/2020-12/schema"

_DEFINITIONS = "#/$defs/"

_ORDER = {word: place for place, word in enumerate(COMMON_WORDS)}


def request_schema(
    family: ModelFamily, card: ModelCard, lora_ids: Sequence[str] | None, max_loras: int
) -> dict[str, Any]:
    """The schema (draft 2020-12) of requests to this model.

    It is the family's with the card's defaults and fixed values, plus an optional `model`.
    `x-aspect-ratios` holds sizes that the family is good at, by ratio.

    Args:
        family: the model's family.
        card: the model.
        lora_ids: the LoRAs that requests may name; None: any. Examples with others are left out.
        max_loras: how many LoRAs a request may have.
    """
    schema = family.params_of(card).model_json_schema()
    if "loras" in schema["properties"]:
        schema = _with_loras(schema, lora_ids, max_loras)
    properties: dict[str, Any] = {
        "model": {"const": card.id, "type": "string", "description": "The model's id."}
    }
    for word in sorted(schema["properties"], key=_place):
        properties[word] = {**schema["properties"][word], **_card_words(card, word)}
    if family.aspect_ratios:
        schema["x-aspect-ratios"] = {
            name: list(size) for name, size in family.aspect_ratios.items()
        }
    required = [word for word in schema.get("required", []) if word not in _given(card)]
    return {
        **schema,
        "$schema": DRAFT,
        "title": card.title,
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _place(word: str) -> int:
    """Where a word stands: the common ones first, in their own order, then the family's."""
    return _ORDER.get(word, len(_ORDER))


def _given(card: ModelCard) -> dict[str, Any]:
    return {**card.defaults, **card.fixed}


def _card_words(card: ModelCard, word: str) -> dict[str, Any]:
    described = {"default": _given(card)[word]} if word in _given(card) else {}
    return {**described, "const": card.fixed[word]} if word in card.fixed else described


def _with_loras(schema: Mapping[str, Any], ids: Sequence[str] | None, limit: int) -> dict[str, Any]:
    """The schema with the LoRAs in place of any, described where they stand."""
    loras = schema["properties"]["loras"]
    definitions = dict(schema["$defs"])
    item = definitions.pop(loras["items"]["$ref"].removeprefix(_DEFINITIONS))
    known = {"enum": list(ids)} if ids else {}
    words = {**item["properties"], "id": {**item["properties"]["id"], **known}}
    most = limit if ids is None or ids else 0
    described = {**loras, "items": {**item, "properties": words}, "maxItems": most}
    changed = {**schema, "properties": {**schema["properties"], "loras": described}}
    if "examples" in schema:
        changed["examples"] = [body for body in schema["examples"] if _is_usable(body, ids)]
    return {**changed, "$defs": definitions}


def _is_usable(body: Mapping[str, Any], ids: Sequence[str] | None) -> bool:
    return ids is None or all(ref["id"] in ids for ref in body.get("loras", ()))
