"""Bends the values of a request to what a model takes.

Our own API never does that. Other servers' clients choose from what *their* documents allow, and
cannot know that a model here has a fixed number of steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Sizes from ratios are multiples of this many pixels, as all models take them.
SIZE_STEP = 16

#: Pixels of an image of which only the ratio is given.
PIXELS = 1024 * 1024

#: The largest part of a ratio.
LARGEST_PART = 9999


@dataclass(frozen=True, slots=True)
class Fitted:
    """A request as the model takes it. `notes` are sentences about what was changed or left out."""

    body: dict[str, Any]
    notes: tuple[str, ...]

    def in_words(self, words: Mapping[str, str]) -> Fitted:
        """The same, told to clients who call some of our words otherwise: `words` has theirs by
        ours."""
        parted = (note.partition(" ") for note in self.notes)
        notes = (f"{words.get(word, word)}{space}{rest}" for word, space, rest in parted)
        return Fitted(self.body, tuple(notes))


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
    if len(parts) != 2 or not all(map(_is_part, parts)):
        raise ValueError(f"{ratio!r} is no aspect ratio; write `16:9`, say")
    across, down = map(int, parts)
    width = math.sqrt(pixels * across / down)
    return _multiple(width, SIZE_STEP), _multiple(width * down / across, SIZE_STEP)


def ratio_of(size: tuple[int, int]) -> str:
    """The ratio of a width and a height, as `size_of_ratio` takes it."""
    scale = math.ceil(max(size) / LARGEST_PART)
    return ":".join(str(max(1, edge // scale)) for edge in size)


def least_strength(steps: int) -> float:
    """The least `strength` with which one of so many steps is run: models refuse less. Rounded up
    to four digits."""
    return min(1.0, math.ceil(10_000 / steps) / 10_000)


def image_room(schema: Mapping[str, Any]) -> int:
    """How many images a model takes with a request, by the JSON Schema of requests to it."""
    words = schema["properties"]
    references: int = words.get("reference_images", {}).get("maxItems", 0)
    return references + ("init_image" in words)


def placed(images: Sequence[str], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Given images, no more than the model takes, under our words: the first where it has a place
    for one, the others among its references.

    Args:
        images: as `ImageSource` has them.
        schema: the JSON Schema of requests to the model.
    """
    first = {"init_image": images[0]} if images and "init_image" in schema["properties"] else {}
    others = [*images[len(first) :]]
    return {**first, **({"reference_images": others} if others else {})}


def _is_part(text: str) -> bool:
    return text.isdecimal() and 0 < int(text) <= LARGEST_PART


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
