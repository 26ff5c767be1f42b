"""What one source says of a LoRA, and what all of them say together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

#: Most phrases and example prompts of one LoRA, and characters of each.
MAX_PHRASES = 100
MAX_PHRASE = 300
MAX_PROMPTS = 20
MAX_TEXT = 2000

#: Authors write the tag of another program into the words.
_LORA_TAG = re.compile(r"<lora:[^<>]*>", re.IGNORECASE)
_SEPARATOR = re.compile(r"[,\n]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\s]+")


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts about a LoRA as one source tells them; None: it does not. See `LoraRecord` for their
    meaning; `license` holds flags by name."""

    name: str | None = None
    title: str | None = None
    trigger_words: tuple[str, ...] | None = None
    weight: float | None = None
    trigger_weight: float | None = None
    base_model: str | None = None
    alpha: float | None = None
    model_id: int | None = None
    version_id: int | None = None
    license: Mapping[str, Any] | None = None
    nsfw_level: int | None = None
    source: str | None = None
    example_prompts: tuple[str, ...] | None = None
    notes: str | None = None

    def to_json(self) -> dict[str, Any]:
        """What it says, as JSON-compatible data."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Facts:
        """Read what `to_json` gave; what is unknown is left out."""
        known = {name: data[name] for name in _NAMES if data.get(name) is not None}
        for name in ("trigger_words", "example_prompts"):
            if name in known:
                known[name] = tuple(known[name])
        return Facts(**known)


_NAMES = tuple(field.name for field in fields(Facts))


def merged(sources: Iterable[Facts]) -> Facts:
    """What several sources say together: of each fact, what the first says that knows it."""
    values: dict[str, Any] = {}
    for facts in reversed(list(sources)):
        told = ((name, getattr(facts, name)) for name in _NAMES)
        values |= {name: value for name, value in told if value is not None}
    return Facts(**values)


def text(value: Any, limit: int = MAX_TEXT) -> str | None:
    """A text in one line that can be stored and answered, at most `limit` characters of it; None
    for anything else and for nothing but spaces."""
    if not isinstance(value, str):
        return None
    # JSON may hold halves of surrogate pairs, which no UTF-8 has.
    sound = value[: 2 * limit].encode("utf-8", "replace").decode("utf-8")
    return _CONTROL.sub(" ", sound).strip()[:limit].strip() or None


def lines(value: Any, limit: int = MAX_TEXT) -> str | None:
    """Like `text`, with its lines kept apart."""
    if not isinstance(value, str):
        return None
    kept = "\n".join(text(line, limit) or "" for line in value[: 2 * limit].splitlines())
    return kept.strip()[:limit] or None


def phrases(value: Any) -> tuple[str, ...] | None:
    """Trigger words as a list of phrases: a text's, or each text's of a list, parted by commas and
    lines; spaces around them and repetitions are dropped. None where none is left."""
    texts = value if isinstance(value, list) else [value]
    found: dict[str, str] = {}
    for item in texts[:MAX_PHRASES]:
        plain = _LORA_TAG.sub(",", item) if isinstance(item, str) else ""
        for part in _SEPARATOR.split(plain[: MAX_PHRASES * MAX_PHRASE]):
            phrase = text(part, len(part) + 1)
            if phrase is not None and len(phrase) <= MAX_PHRASE:
                found.setdefault(phrase.casefold(), phrase)
    return tuple(found.values())[:MAX_PHRASES] or None


def number(value: Any, least: float, most: float) -> float | None:
    """A finite number within bounds; JSON's numbers, and texts of one; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value[:40] if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        return None
    return found if least <= found <= most else None


def natural(value: Any) -> int | None:
    """A number that counts something or names a row, in JSON or as its text; None for others."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 15:
        value = int(value)
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return value if is_whole and 0 < value < 10**15 else None


def table(value: Any) -> Mapping[str, Any]:
    """A JSON object; anything else counts as an empty one."""
    return value if isinstance(value, dict) else {}
