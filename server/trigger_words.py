"""Trigger words: phrases that a LoRA's training tied to it, added to prompts that lack them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from server.lora_tags import decimal, take_out
from server.worker.prompt_syntax import closing_brackets, parse_prompt

_SPACES = re.compile(r"[\s_]+")
_SIGNS = re.compile(r"[\\()\[\]]+")
_COMMAS = re.compile(r" *, *")
_BRACKET = re.compile(r"\\[()\[\]\\]|[()\[\]]")
_ESCAPED = re.compile(r"\\([()\[\]\\])")

#: Words that part a prompt where weights are understood, here or in other tools.
_PARTING = re.compile(r"\b(?:BREAK|AND)\b")

#: The digits of a weight that the prompt's parser keeps.
_DIGITS = 6


class Trigger(NamedTuple):
    """A phrase, and how strongly it is to act, from 0 (not at all) to 2; 1: like plain words."""

    phrase: str
    weight: float


def lacking(triggers: Iterable[Trigger], prompt: str) -> list[Trigger]:
    """Those that `prompt` lacks, each phrase once; none of weight 0.

    Case, weights, brackets and their escapes do not count, and `_` is a space; a phrase must stand
    there as a whole. A word that only parts prompts is no phrase.
    """
    text = _words(prompt)
    found: dict[str, Trigger] = {}
    for trigger in triggers:
        if round(trigger.weight, _DIGITS) == 0:
            continue
        words = _words(take_out(trigger.phrase)[0])
        is_phrase = words not in ("", "break", "and")
        if is_phrase and words not in found and not _contains(text, words):
            found[words] = trigger
    return list(found.values())


def extended(prompt: str, triggers: Sequence[Trigger], *, weighted: bool) -> str:
    """The prompt with these phrases.

    Args:
        prompt: what they are added to.
        triggers: the phrases in their order.
        weighted: the prompt is in the syntax of `prompt_syntax` and may have any length, and the
            phrases stand behind it in that syntax; else they are plain words in front of it,
            whatever their weights are, for the end of a long prompt may not be read.
    """
    if not triggers:
        return prompt
    if not weighted:
        phrases = ", ".join(_plain(trigger.phrase) for trigger in triggers)
        return f"{phrases}, {prompt}" if prompt.strip() else phrases
    phrases = ", ".join(_weighted(*trigger) for trigger in triggers)
    before = prompt.rstrip()
    if not before:
        return phrases
    # Behind the comma: in front of it a `)` could make a weight of the prompt's last number.
    return f"{before.removesuffix(',')},{closing_brackets(before)} {phrases}"


def _weighted(phrase: str, weight: float) -> str:
    text = _PARTING.sub(lambda word: word[0].lower(), _one_line(phrase))
    text = _BRACKET.sub(lambda sign: sign[0] if len(sign[0]) > 1 else f"\\{sign[0]}", text)
    return text if weight == 1 else f"({text}:{decimal(round(weight, _DIGITS))})"


def _plain(phrase: str) -> str:
    return _ESCAPED.sub(r"\1", _one_line(phrase))


def _one_line(phrase: str) -> str:
    return " ".join(take_out(phrase)[0].split())


def _words(text: str) -> str:
    """The text without all that does not count when texts are compared."""
    segments = ("".join(piece.text for piece in pieces) for pieces in parse_prompt(text))
    plain = _SPACES.sub(" ", _SIGNS.sub("", " BREAK ".join(segments)))
    return _COMMAS.sub(", ", plain).strip(" ,").casefold()


def _contains(text: str, words: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text) is not None
