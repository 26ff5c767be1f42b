"""`--listen NAME=PORT` of `darkroom serve`."""

from __future__ import annotations

import re
from typing import Any

import typer

FORM = "NAME=[HOST:]PORT"

_OPTION = re.compile(r"(\w+)=(?:(?:\[([^\[\]]+)\]|([^\s:\[\]]+)):)?(\d{1,5})", re.ASCII)


def entry_of(text: str) -> dict[str, Any]:
    """The `[[listen]]` table that the option's value means.

    Raises:
        BadParameter: it is none.
    """
    match = _OPTION.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter(
            f"{text!r} is not {FORM}: krea=7860 say, or krea=127.0.0.1:7860, or krea=[::1]:7860.",
            param_hint="--listen",
        )
    dialect, in_brackets, host, port = match.groups()
    return {"dialect": dialect, "host": in_brackets or host, "port": int(port)}
