"""Where commands write: results to standard output, everything else to standard error."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console

from server.errors import DarkroomError, InvalidParameters

#: Columns that no line of a table has.
UNCUT = 10_000


def _console(**options: Any) -> Console:
    """A console that prints texts as they are: paths, names and prompts may hold what rich would
    take for markup."""
    return Console(highlight=False, markup=False, emoji=False, **options)


# A piped line must stay one line.
out = _console(soft_wrap=True)
err = _console(soft_wrap=True, stderr=True)


def report(error: DarkroomError) -> None:
    """Say what went wrong on standard error, a line per field for a refused request."""
    if isinstance(error, InvalidParameters):
        err.print(f"{error.title}:", style="bold red")
        for problem in error.errors:
            field = ".".join(str(step) for step in problem["loc"])
            err.print(f"  {field}: {problem['msg']}")
    else:
        err.print(f"{error.title}: {error.message}", style="red")


def print_json(data: Any) -> None:
    """Print JSON for other programs."""
    out.print(json.dumps(data, indent=2, ensure_ascii=False))


def print_table(table: Any) -> None:
    """Print a table of rich's. Other programs read whole lines; only on a terminal columns are
    narrowed to fit."""
    console = out if out.is_terminal else _console(file=out.file, width=UNCUT)
    console.print(table, soft_wrap=False)


def size_of(size: int) -> str:
    """Bytes for people; "" for none."""
    if not size:
        return ""
    if size < 1e6:
        return f"{size / 1e3:.0f} kB"
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
