"""The prompt syntax of AUTOMATIC1111's web UI: brackets weigh words, `BREAK` starts a chunk.

- `(a)` times 1.1, `[a]` divided by 1.1, `(a:1.3)` times 1.3; brackets in brackets multiply.
- A backslash makes a bracket or a backslash literal.
- A bracket that nothing closes holds to the end; one that closes nothing is literal.
- A weight that is no decimal number is text: `(a:b)` is `a:b` times 1.1.
- `BREAK`, upper case and a word of its own, ends a segment, in brackets too.

Different on purpose:

- Nothing is scheduled or alternated by step: `[a:b:0.5]` and `[a|b]` are text divided by 1.1.
- Weights stay within ±`MAX_WEIGHT`, at every level of brackets.
- White space around `BREAK` is kept; tokenizers of CLIP do not see it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

#: What a round bracket multiplies the weight with, and a square one divides it by.
EMPHASIS = 1.1

#: More would overflow hidden states of half precision; images are spoiled long before.
MAX_WEIGHT = 10.0

#: Any text is a sequence of these. Possessive, lest a long run of digits or spaces take quadratic
#: time; a `B` that begins no BREAK is a token of its own, so that each BREAK begins one.
_TOKEN = re.compile(
    r"""
      \\(?P<escaped>[()\[\]\\])
    | (?P<opening>[(\[])
    | (?P<closing>(?: :\s*+ (?P<weight>[+-]?+ (?: [0-9]++ (?:\.[0-9]*+)?+ | \.[0-9]++ )) \s*+ )?+ \)
        | \] )
    | (?P<separator>\bBREAK\b)
    | [^\\()\[\]:B]++
    | .
    """,
    re.VERBOSE | re.DOTALL,
)


class Piece(NamedTuple):
    """Text that has one weight, without its brackets and escapes."""

    text: str
    weight: float


def parse_prompt(prompt: str) -> list[list[Piece]]:
    """The segments that `BREAK` divides `prompt` into, each as its pieces, in order.

    Every prompt is valid. Every segment has a piece, if only one of no text, and neighbours in it
    have different weights; a prompt without syntax is one piece of weight 1 with all its text.
    Time grows with the length of the prompt and with nothing else.
    """
    tokens = list(_TOKEN.finditer(prompt))
    factors, closings = _match_brackets(tokens)
    segments: list[list[Piece]] = [[]]
    # Each kind of bracket has its own levels: in `(a [b) c]` they cross.
    levels = {")": [1.0], "]": [1.0]}
    for index, token in enumerate(tokens):
        if index in factors:
            level = levels[_closer(token)]
            level.append(_bounded(level[-1] * factors[index]))
        elif index in closings:
            levels[_closer(token)].pop()
        elif token["separator"]:
            segments.append([])
        else:
            weight = round(_bounded(levels[")"][-1] * levels["]"][-1]), 6)
            segments[-1].append(Piece(token["escaped"] or token[0], weight))
    return [_merged(segment) for segment in segments]


def closing_brackets(prompt: str) -> str:
    """The brackets that close what `prompt` leaves open, so that they do not weigh what follows."""
    tokens = list(_TOKEN.finditer(prompt))
    factors, closings = _match_brackets(tokens)
    closers = Counter(_closer(tokens[index]) for index in factors)
    closers.subtract(_closer(tokens[index]) for index in closings)
    return "".join(closers.elements())


def _match_brackets(tokens: Sequence[re.Match[str]]) -> tuple[dict[int, float], set[int]]:
    """The factor of each opening bracket, and which closing ones close one, by index."""
    opened: dict[str, list[int]] = {")": [], "]": []}
    factors: dict[int, float] = {}
    closings: set[int] = set()
    for index, token in enumerate(tokens):
        if token["opening"]:
            opened[_closer(token)].append(index)
            factors[index] = EMPHASIS if token["opening"] == "(" else 1 / EMPHASIS
        elif token["closing"] and opened[_closer(token)]:
            closings.add(index)
            opening = opened[_closer(token)].pop()
            if token["weight"]:
                factors[opening] = _bounded(float(token["weight"]))
    return factors, closings


def _closer(bracket: re.Match[str]) -> str:
    """The character that closes the kind of this bracket, opening or closing."""
    return ")" if bracket[0][-1] in "()" else "]"


def _bounded(weight: float) -> float:
    return max(-MAX_WEIGHT, min(MAX_WEIGHT, weight))


def _merged(pieces: Iterable[Piece]) -> list[Piece]:
    groups = groupby(pieces, key=attrgetter("weight"))
    merged = [Piece("".join(piece.text for piece in group), weight) for weight, group in groups]
    return merged or [Piece("", 1.0)]
