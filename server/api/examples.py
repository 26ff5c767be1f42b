"""Request bodies that the documentation of `POST /api/generate` offers to try."""

from __future__ import annotations

from typing import Any

from server.catalog import ModelCatalog

#: The bodies of the API guide, by what they show.
GUIDE: dict[str, dict[str, Any]] = {
    "Anime illustration, with a negative prompt": {
        "prompt": "masterpiece, best quality, 1girl, solo, long blonde hair, blue eyes, "
        "white dress, flower garden, soft lighting",
        "negative_prompt": "worst quality, low quality, blurry, bad anatomy, bad hands, watermark",
        "width": 1024,
        "height": 1024,
        "seed": 42,
        "loras": [],
    },
    "With a LoRA that is here; `/api/info` lists their ids": {
        "prompt": "masterpiece, best quality, 1girl, portrait, looking at viewer",
        "negative_prompt": "worst quality, low quality",
        "loras": [{"id": "civitai_1963644", "weight": 0.8, "trigger_weight": 0.5}],
    },
    "Natural language": {
        "prompt": "a fluffy orange cat sleeping on a sunny windowsill, soft natural light",
        "width": 1024,
        "height": 1024,
    },
    "Photorealistic landscape": {
        "prompt": "A photorealistic landscape of snow-capped mountains",
        "width": 1024,
        "height": 1024,
    },
    "Interior": {
        "prompt": "A vintage coffee shop interior with warm lighting",
        "width": 1024,
        "height": 1024,
    },
}


def examples(catalog: ModelCatalog) -> dict[str, dict[str, Any]]:
    """OpenAPI's named examples: each model's, the default model's first, then the guide's."""
    ids = [card.id for _, card in catalog.cards()]
    ids.sort(key=lambda card_id: card_id != catalog.default)
    found: dict[str, dict[str, Any]] = {}
    for card_id in ids:
        for number, body in enumerate(_of_model(catalog, card_id), start=1):
            found[f"{card_id}-{number}"] = {
                "summary": f"{card_id}: {body.get('prompt') or _words(body)}",
                "value": body,
            }
    for number, (summary, body) in enumerate(GUIDE.items(), start=1):
        found[f"guide-{number}"] = {"summary": summary, "value": body}
    return found


def _words(body: dict[str, Any]) -> str:
    """What tells a body without a prompt from others."""
    return ", ".join(word for word in body if word != "model")


def _of_model(catalog: ModelCatalog, card_id: str) -> list[dict[str, Any]]:
    """The examples of its schema; they name their model unless requests go there anyway."""
    bodies: list[dict[str, Any]] = catalog.schema(card_id, lasting=True).get("examples", [])
    if card_id == catalog.default:
        # The page offers the first of all: it must not begin with the download of another model.
        return bodies or [{"prompt": "a lighthouse at night"}]
    return [{**body, "model": card_id} for body in bodies]
