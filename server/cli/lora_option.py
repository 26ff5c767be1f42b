"""`--lora NAME[:WEIGHT[:TRIGGER_WEIGHT]]` of `darkroom generate`."""

from __future__ import annotations

import re
from typing import Any

import typer

FORM = "NAME[:WEIGHT[:TRIGGER_WEIGHT]]"

#: What may stand for a number, and what was meant for one: a colon with nothing behind it, too.
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)", re.ASCII)
_MEANT = re.compile(r"[+-]?\.?\d\S*|[+-]?\.?|nan|[+-]?inf", re.ASCII | re.IGNORECASE)


def ref_of(text: str) -> dict[str, Any]:
    """The entry of the parameter `loras` that the option's value means: `id`, and those of `weight`
    and `trigger_weight` that it names. A name may have colons, if no number follows one.

    Raises:
        BadParameter: there is no name, or a number is none.
    """
    name = text
    numbers: list[float] = []
    while len(numbers) < 2:
        before, colon, last = name.rpartition(":")
        if not colon or not _NUMBER.fullmatch(last):
            break
        name, numbers = before, [float(last), *numbers]
    _, colon, rest = name.rpartition(":")
    if not name.strip() or (colon and _MEANT.fullmatch(rest)):
        raise typer.BadParameter(
            f"{text!r} is not {FORM}: style:0.8 say, or style:0.8:0.5.", param_hint="--lora"
        )
    return {"id": name, **dict(zip(("weight", "trigger_weight"), numbers, strict=False))}
