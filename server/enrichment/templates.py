"""The templates: a prompt written out without a language model, the same way every time."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from server.enrichment.styles import STYLES, Style
from server.enrichment.wish import MAX_LENGTH

#: Words that may well occur twice in a prompt.
FUNCTION_WORDS = frozenset({
    "a", "after", "and", "at", "based", "from", "full", "in", "of", "on", "the", "through", "with",
})  # fmt: skip

#: What ends a sentence, and what ends a part of one, in the scripts that prompts are written in.
SENTENCE_ENDS = tuple(".!?…。！？।؟")
PART_ENDS = tuple(",;:、，；：،")

#: Characters between the prompt and a phrase, at most.
_GAP = 2

#: The prompt of the examples.
SAMPLE = "a castle on a hill"

_WORD = re.compile(r"[^\W_]+")


def expand(prompt: str, style: Style, limit: int) -> str:
    """The prompt, word for word, and behind it a phrase for each slot of the style.

    The same prompt always gives the same text; which phrase of a slot it gets depends on the whole
    prompt. A slot is left out if the prompt has one of its phrases, or a word of each. So nothing
    is said twice, and a text that was expanded stays as it is.

    Args:
        prompt: in any language; space around it is dropped.
        style: what to add.
        limit: the most characters of the text; a prompt that is longer comes back alone.
    """
    text = prompt.strip()
    for number, phrases in enumerate(style.slots):
        # All phrases of a slot must fit: were it only the chosen one, an expanded text could grow.
        if len(text) + _GAP + max(map(len, phrases)) <= limit:
            fresh = _fresh(phrases, text)
            if fresh:
                draw = _draw(f"{style.name}/{number}/{prompt.strip()}")
                text = _joined(text, fresh[draw % len(fresh)])
    return text


def listed() -> list[dict[str, str]]:
    """Every style as lists show it: `name`, `title`, and its `example`."""
    return [
        {
            "name": style.name,
            "title": style.title,
            "example": expand(SAMPLE, style, MAX_LENGTH),
        }
        for style in STYLES.values()
    ]


def _fresh(phrases: Sequence[str], text: str) -> list[str]:
    """Those of a slot's phrases that repeat no word of the text; none if it has one of them."""
    said = _words(text)
    if any(_contains(said, _words(phrase)) for phrase in phrases):
        return []
    known = {*said} - FUNCTION_WORDS
    return [phrase for phrase in phrases if known.isdisjoint(_words(phrase))]


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _contains(words: Sequence[str], phrase: Sequence[str]) -> bool:
    return f" {' '.join(phrase)} " in f" {' '.join(words)} "


def _draw(text: str) -> int:
    """A number that only depends on the text; Python's own hash differs between processes."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def _joined(text: str, phrase: str) -> str:
    if text.endswith(SENTENCE_ENDS):
        return f"{text} {phrase[0].upper()}{phrase[1:]}"
    return f"{text} {phrase}" if text.endswith(PART_ENDS) else f"{text}, {phrase}"
