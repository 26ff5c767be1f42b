"""Bends the values of a request to what a model takes.

Our own API never does that. Other servers' clients choose from what *their* documents allow, and
cannot know that a model here has a fixed number of steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: Sizes from ratios are multiples of this many pixels, as all models take them.
SIZE_STEP = 16

#: Pixels of an image of which only the ratio is given.
PIXELS = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Fitted:
    """A request as the model takes it. `notes` are sentences about what was changed or left out."""

    body: dict[str, Any]
    notes: tuple[str, ...]


def fit(schema: Mapping[str, Any], wanted: Mapping[str, Any]) -> Fitted:
    """Bring values to the nearest that a model takes, and leave out words that it does not have.

    Args:
        schema: the JSON Schema of requests to the model (`ModelCatalog.schema`).
        wanted: values by our words; None stands for a word that was not given.
    """
    body: dict[str, Any] = {}
    notes = []
    for word, value in wanted.items():
        described = schema["properties"].get(word)
        if value is None:
            continue
        if described is None:
            notes.append(f"{word} is not used by this model and was left out.")
            continue
        body[word] = _nearest(_alternative(described), value)
        if body[word] != value:
            notes.append(f"{word} {value} was changed to {body[word]}, which this model takes.")
    return Fitted(body, tuple(notes))


def size_of_ratio(ratio: str, pixels: int = PIXELS) -> tuple[int, int]:
    """Width and height with a ratio such as `16:9`: about so many pixels, multiples of 16.

    Raises:
        ValueError: it is no ratio of positive whole numbers.
    """
    parts = ratio.split(":")
    if len(parts) != 2 or not all(part.isdecimal() and 0 < int(part) < 10_000 for part in parts):
        raise ValueError(f"{ratio!r} is no aspect ratio; write `16:9`, say")
    across, down = map(int, parts)
    width = math.sqrt(pixels * across / down)
    return _multiple(width, SIZE_STEP), _multiple(width * down / across, SIZE_STEP)


def _alternative(described: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a word is where it is not null."""
    for choice in described.get("anyOf", ()):
        if choice.get("type") != "null":
            return {**choice, **{key: described[key] for key in ("const",) if key in described}}
    return described


def _nearest(described: Mapping[str, Any], value: Any) -> Any:
    if "const" in described:
        return described["const"]
    if "enum" in described:
        return _choice(described["enum"], value, described.get("default"))
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return _number(described, value) if is_number else value


def _choice(choices: list[Any], value: Any, default: Any) -> Any:
    """The choice that is written like `value`, else the model's own."""
    written = {_plain(choice): choice for choice in choices}
    return written.get(_plain(value), choices[0] if default is None else default)


def _plain(value: Any) -> str:
    return "".join(letter for letter in str(value).lower() if letter.isalnum())


def _number(described: Mapping[str, Any], value: float) -> float:
    least = described.get("minimum", -math.inf)
    most = described.get("maximum", math.inf)
    bent = min(max(value, least), most)
    step = described.get("multipleOf")
    if step is not None and bent % step:
        bent = _multiple(bent, step)
        bent += step if bent < least else -step if bent > most else 0
    return bent if described.get("type") == "number" else int(bent)


def _multiple(value: float, step: int) -> int:
    return max(step, round(value / step) * step)
