"""From this API's words to ours and back: pure functions."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from typing import Any

from server.dialects.bfl.protocol import IMAGE_WORDS, Order
from server.errors import InvalidParameters
from server.fitting import Fitted, fit, image_room, placed, ratio_of, size_of_ratio
from server.generation import MAX_SEED
from server.image_sources import data_uri
from server.records import ImageRecord, Job

#: More pixels than any model makes, and few enough to calculate with.
LARGEST_EDGE = 100_000

#: Our words that have others here.
THEIRS = {"cfg_scale": "guidance", "init_image": "input_image", "reference_images": "input_image_2"}


def given_images(order: Order) -> dict[str, bytes]:
    """The images that a request brings, by their words.

    Raises:
        InvalidParameters: one is no base64.
    """
    return {word: _decoded(word, value) for word, value in order.images.items()}


def parameters(
    order: Order,
    schema: Mapping[str, Any],
    given: Mapping[str, bytes],
    given_size: tuple[int, int] | None = None,
) -> Fitted:
    """A request in our words, as one model takes it.

    Args:
        order: the request.
        schema: the JSON Schema of requests to the model.
        given: its images, see `given_images`.
        given_size: width and height of the first of them, whose shape the result gets where the
            request says nothing of it.

    Raises:
        InvalidParameters: the model takes fewer images.
    """
    images = _images(given, schema)
    width, height = _size(order, given_size)
    fitted = fit(
        schema,
        {
            "prompt": order.prompt,
            "width": width,
            "height": height,
            "steps": _steps(order, schema, images),
            "cfg_scale": order.guidance,
            "seed": None if order.seed is None or order.seed < 0 else min(order.seed, MAX_SEED),
        },
    )
    return Fitted({**fitted.body, **images}, fitted.notes).in_words(THEIRS)


def in_their_words(error: InvalidParameters) -> InvalidParameters:
    """What is wrong with a body: where our words stand, theirs instead, and `body` in front, as
    this API's clients know it."""
    return InvalidParameters(
        [{**item, "loc": ["body", *_their_place(item["loc"])]} for item in error.errors]
    )


def metadata(image: ImageRecord, job: Job | None) -> str:
    """How an image was made, as the JSON text that `/history` shows.

    Args:
        image: the image.
        job: its job, if it came through this API; else None.
    """
    words = dict(job.origin.request.get("asked", {})) if job else {}
    ratio = words.pop("aspect_ratio", None)
    size = {"width": image.width, "height": image.height}
    made = {word: image.recipe[word] for word in ("steps", "seed") if word in image.recipe}
    return json.dumps({**({"aspect_ratio": ratio} if ratio else size), **made, **words})


def _images(given: Mapping[str, bytes], schema: Mapping[str, Any]) -> dict[str, Any]:
    """The given images under our words: the first where a model has a place for one, the others
    among its references."""
    room = image_room(schema)
    if len(given) > room:
        text = f"this model takes at most {room} of them" if room else "this model takes no images"
        raise _problem([*given][room], text, "too_many_images")
    return placed([*map(data_uri, given.values())], schema)


def _decoded(word: str, value: str) -> bytes:
    if value.startswith(("http://", "https://")):
        text = "is an address; send the image itself, in base64: addresses are not fetched"
        raise _problem(word, text, "image")
    encoded = value.partition(",")[2] if value.startswith("data:") else value
    try:
        return base64.b64decode("".join(encoded.split()), validate=True)
    except ValueError as error:
        raise _problem(word, f"is not valid base64: {error}", "image") from None


def _size(order: Order, given_size: tuple[int, int] | None) -> tuple[int | None, int | None]:
    """Width and height; None where the model decides."""
    ratio = order.aspect_ratio
    if ratio is None and given_size is not None:
        ratio = ratio_of(given_size)
    width, height = (min(edge or 0, LARGEST_EDGE) or None for edge in (order.width, order.height))
    if ratio is None or (width and height):
        return width, height
    across, down = map(int, ratio.split(":"))
    if width:
        return width, round(width * down / across)
    if height:
        return round(height * across / down), height
    return size_of_ratio(ratio)


def _steps(order: Order, schema: Mapping[str, Any], images: Mapping[str, Any]) -> int | None:
    """Steps; with an image to begin with at least so many that one of them is run."""
    share: float | None = schema["properties"].get("strength", {}).get("default")
    if order.steps is None or share is None or "init_image" not in images:
        return order.steps
    return max(order.steps, math.ceil(1 / share))


def _their_place(place: list[Any]) -> list[Any]:
    """Of the references the first one is their second image."""
    if place[:1] == ["reference_images"] and len(place) > 1 and isinstance(place[1], int):
        return [IMAGE_WORDS[place[1] + 1], *place[2:]]
    return [THEIRS.get(step, step) for step in place]


def _problem(word: str, text: str, kind: str) -> InvalidParameters:
    return InvalidParameters([{"loc": [word], "msg": text, "type": kind}])
