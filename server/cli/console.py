"""Where commands write: results to standard output, everything else to standard error."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console

from server.errors import DarkroomError, InvalidParameters

# Paths and prompts may hold what rich would take for markup, and a piped line must stay one line.
out = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)
err = Console(soft_wrap=True, highlight=False, markup=False, emoji=False, stderr=True)


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
