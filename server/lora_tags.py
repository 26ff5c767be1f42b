"""`<lora:NAME:WEIGHT:TRIGGER>` inside prompts, the way AUTOMATIC1111's web UI introduced it.

There a third number is the weight of the LoRA's part in the denoiser, and the second that of its
part in the text encoders; here the third is the weight of its trigger words. `<lyco:…>`, which the
web UI takes for the same, is the same here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

_TAG = re.compile(r"<(?:lora|lyco):([^<>]*)>")

#: Tags with nothing but spaces and commas between them leave one hole.
_TAGS = re.compile(r"<(?:lora|lyco):[^<>]*>(?:[ \t,]*<(?:lora|lyco):[^<>]*>)*")

#: What cannot stand in a tag's name, or in a list of names and hashes.
_NO_NAME = re.compile(r"[:,<>\"\x00-\x1f]+")


@dataclass(frozen=True, slots=True)
class LoraTag:
    """A tag: the LoRA's name, and the numbers behind it as they were written."""

    name: str
    numbers: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"<lora:{':'.join((self.name, *self.numbers))}>"


def tag_of(name: str, weight: float) -> LoraTag:
    """The tag for a LoRA, without what would end its name early."""
    return LoraTag(_NO_NAME.sub("", name).strip(), (decimal(weight),))


def decimal(number: float) -> str:
    """The shortest notation, without an exponent, that reads back as this very number."""
    return format(Decimal(repr(number)), "f").removesuffix(".0")


def take_out(text: str) -> tuple[str, list[LoraTag]]:
    """The text without its tags, and the tags in order.

    The hole that tags leave is closed: of the spaces and commas around it one is left. A text
    without tags remains as it is.
    """
    tags = [_read(found[1]) for found in _TAG.finditer(text)]
    first, *others = _TAGS.split(text)
    for right in others:
        first = _joined(first, right)
    return first, tags


def _read(inside: str) -> LoraTag:
    name, *numbers = (part.strip() for part in inside.split(":"))
    return LoraTag(name, tuple(numbers))


def _joined(left: str, right: str) -> str:
    before, after = left.rstrip(" \t"), right.lstrip(" \t")
    begins_line = not before or before.endswith("\n")
    if after.startswith(",") and (begins_line or before.endswith(",")):
        after = after[1:].lstrip(" \t")
    if not after:
        return before.removesuffix(",")
    is_apart = (before, after) != (left, right) and not begins_line
    return f"{before} {after}" if is_apart and after[0] not in ",\n" else before + after
