"""From this API's words to ours and back: pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from server.dialects.desktop.protocol import (
    Generate,
    Generation,
    ImageToImage,
    Parameters,
    Settings,
    TextToImage,
    Upscale,
)
from server.errors import InvalidParameters
from server.fitting import Fitted, fit, least_strength
from server.records import JobStatus
from server.snapshots import JobSnapshot

#: How this API calls what a job is doing; it knows no cancelling.
STATUSES = {
    JobStatus.QUEUED: "queued",
    JobStatus.PROCESSING: "generating",
    JobStatus.COMPLETED: "completed",
    JobStatus.FAILED: "failed",
    JobStatus.CANCELLED: "failed",
}

#: What our words are called here, where they are called otherwise.
NAMES = {"negative_prompt": "negativePrompt", "cfg_scale": "cfgScale"}


@dataclass(frozen=True, slots=True)
class Source:
    """An image that a request begins with: its name as `ImageSource`, and its width and height
    in pixels where they are known."""

    name: str
    size: tuple[int, int] | None = None


def text_to_image(asked: TextToImage, settings: Settings, schema: Mapping[str, Any]) -> Fitted:
    """A request as the model with this JSON Schema takes it."""
    given = asked.model_fields_set
    width = asked.width if "width" in given else settings.default_width
    height = asked.height if "height" in given else settings.default_height
    words = fit(schema, _common(asked, settings)).in_words(NAMES)
    size = _size(schema, width, height)
    return Fitted({**words.body, **size.body}, (*size.notes, *words.notes))


def image_to_image(
    asked: ImageToImage, settings: Settings, schema: Mapping[str, Any], source: Source
) -> Fitted:
    """A request as the model with this JSON Schema takes it: as large as the given image, and with
    at least one step."""
    words = fit(schema, _common(asked, settings)).in_words(NAMES)
    size = Fitted({}, ()) if source.size is None else _size(schema, *source.size)
    least = least_strength(words.body.get("steps", 1))
    strength = max(asked.strength, least)
    begun = fit(schema, {"init_image": source.name, "strength": strength})
    notes = list(begun.notes)
    if asked.strength < least:
        notes.append(f"strength {asked.strength:g} was changed to {strength:g}, the least.")
    body = {**words.body, **size.body, **begun.body}
    return Fitted(body, (*size.notes, *words.notes, *notes))


def upscale(asked: Upscale, source: Source) -> dict[str, Any]:
    """A request as upscalers take it."""
    return {"init_image": source.name, "scale": asked.scale}


def generation(image: Mapping[str, Any], base: str) -> Generation:
    """An image as this API shows it.

    Args:
        image: the object of `/api/images`.
        base: the server's address, without a slash at the end.
    """
    return Generation(
        id=image["id"],
        prompt=image["prompt"],
        negative_prompt=image.get("negative_prompt") or None,
        parameters=Parameters(
            width=image["width"],
            height=image["height"],
            steps=image.get("steps", 0),
            cfg_scale=image.get("cfg_scale", 0),
            seed=image["seed"],
        ),
        file_path=f"/generated/image_{image['id']}.png",
        url=f"{base}/generated/{image['filename']}",
        seed=image["seed"],
        task_id=image["job_id"],
        created=image["created_at"],
        created_at=image["created_at"],
    )


def progress(snapshot: JobSnapshot) -> dict[str, Any]:
    """A job as `/ws/generation` shows it; `progress` is 0–100."""
    return {
        "type": "progress",
        "taskId": snapshot.job_id,
        "progress": math.floor(snapshot.progress * 100),
        "status": STATUSES[snapshot.status],
    }


def refused(error: InvalidParameters, source: str = "init_image") -> InvalidParameters:
    """What a model refuses, by this API's names; `source` is what the given image is called."""
    names = {**NAMES, "init_image": source}
    return InvalidParameters(
        [{**item, "loc": [names.get(word, word) for word in item["loc"]]} for item in error.errors]
    )


def _common(asked: Generate, settings: Settings) -> dict[str, Any]:
    given = asked.model_fields_set
    return {
        "prompt": asked.prompt,
        "negative_prompt": asked.negative_prompt or None,
        "steps": asked.steps if "steps" in given else settings.default_steps,
        "cfg_scale": asked.cfg_scale if "cfg_scale" in given else settings.default_cfg_scale,
        "seed": None if asked.seed < 0 else asked.seed,
    }


def _size(schema: Mapping[str, Any], width: int, height: int) -> Fitted:
    """The nearest size that a model takes, of the same shape as far as it can be."""
    edges = {"width": width, "height": height}
    times = _times(schema["properties"], edges)
    body = fit(schema, {word: round(edge * times) for word, edge in edges.items()}).body
    fitted = (body.get("width"), body.get("height"))
    if fitted == (width, height):
        return Fitted(body, ())
    note = f"{width} × {height} pixels were changed to {fitted[0]} × {fitted[1]} for this model."
    return Fitted(body, (note,))


def _times(words: Mapping[str, Any], edges: Mapping[str, int]) -> float:
    """By how much both edges must change so that neither is too long, and then too short."""

    def times(bound: str, otherwise: float) -> list[float]:
        return [words.get(word, {}).get(bound, otherwise) / edges[word] for word in edges]

    shrinking = min(1.0, *times("maximum", math.inf))
    return shrinking if shrinking < 1 else max(1.0, *times("minimum", 0))
