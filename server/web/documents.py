"""The HTML of the pages."""

from __future__ import annotations

import inspect
from html import escape
from pathlib import Path
from string import Template

from server.errors import DarkroomError, StartupError, WorkerLost, all_errors

PAGES = Path(__file__).parent / "pages"


def index() -> str:
    """The start page."""
    return _page("index")


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
    text = escape(inspect.getdoc(error) or "")
    code = escape(error.code)
    return (
        f'<tr id="{code}"><td><code>{code}</code></td><td>{error.status}</td><td>{text}</td></tr>'
    )


def _page(name: str, **values: str) -> str:
    template = Template((PAGES / f"{name}.html").read_text(encoding="utf-8"))
    return template.substitute(values)
