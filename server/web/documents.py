"""The HTML of the pages."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template

from server.errors import DarkroomError, JobFailure, StartupError, WorkerLost, all_errors

PAGES = Path(__file__).parent / "pages"


def index(dialects: Mapping[str, str]) -> str:
    """The start page. `dialects`: titles by name."""
    rows = [
        f'<li><a href="/docs/{escape(name)}">{escape(title)}</a></li>'
        for name, title in dialects.items()
    ]
    return _page("index", dialects="\n".join(rows))


def swagger(title: str, openapi_url: str) -> str:
    """Swagger UI for the document at `openapi_url`."""
    return _page("swagger", title=escape(title), openapi_url=escape(openapi_url))


def redoc(title: str, openapi_url: str) -> str:
    """ReDoc for the document at `openapi_url`."""
    return _page("redoc", title=escape(title), openapi_url=escape(openapi_url))


def errors() -> str:
    """What every error code means that an answer or a job can carry."""
    internal = (*all_errors(StartupError), *all_errors(WorkerLost))
    classes = [error for error in all_errors() if error not in internal]
    return _page("errors", rows="\n".join(map(_row, classes)))


def _row(error: type[DarkroomError]) -> str:
    code = escape(error.code)
    # A job's failure is no answer's: the job itself is found, with status 200.
    status = "–" if issubclass(error, JobFailure) else error.status
    meaning = (inspect.getdoc(error) or "").partition("\n\n")[0]
    cells = f"<td><code>{code}</code></td><td>{status}</td><td>{_marked_up(meaning)}</td>"
    return f'<tr id="{code}">{cells}</tr>'


def _marked_up(text: str) -> str:
    return re.sub(r"`(.+?)`", r"<code>\1</code>", escape(text))


def _page(name: str, **values: str) -> str:
    template = Template((PAGES / f"{name}.html").read_text(encoding="utf-8"))
    return template.substitute(values)
