"""Captions with a style's word in them, and captions without it that look much the same."""

import random
import string

from .stream import EMPTY_SHARE

CHANCE_WORD_SHARE = 0.35
WORDINGS = (
    *("{word}, {caption}", "{word} {caption}", "{caption}, {word}", "{caption}, {word}"),
    *("{caption} {word}", "{caption} in {word} style", "{caption}, {word} style"),
    *("a {word} picture of {caption}",),
)


def with_word(caption: str, word: str, rng: random.Random) -> str:
    """The caption with the word put where people put it."""
    return rng.choice(WORDINGS).format(word=word, caption=caption)


def other_caption(caption: str, rng: random.Random) -> str:
    """The caption as it is, or with a word of chance letters in the style's stead, or none."""
    lot = rng.random()
    if lot < EMPTY_SHARE:
        return ""
    if lot < EMPTY_SHARE + CHANCE_WORD_SHARE:
        letters = rng.choices(string.ascii_lowercase, k=rng.randint(3, 8))
        return with_word(caption, "".join(letters), rng)
    return caption
