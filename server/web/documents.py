"""The HTML of the pages."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from string import Template

from server.errors import DarkroomError, JobFailure, StartupError, WorkerLost, all_errors

HERE = Path(__file__).parent
PAGES = HERE / "pages"


def index(dialects: Mapping[str, str]) -> str:
    """The page that makes pictures. `dialects`: titles by name, each with a documentation of its
    own."""
    links = [
        *(f'<link rel="stylesheet" href="{url}">' for url in _page_files("style/*.css")),
        *(f'<link rel="modulepreload" href="{url}">' for url in _modules()),
        _described("/docs", "Darkroom: try it"),
        _described("/redoc", "Darkroom: read it"),
        *(_described(f"/docs/{name}", title) for name, title in dialects.items()),
    ]
    return _page("index", links="\n".join(links))


def _page_files(pattern: str) -> list[str]:
    """The addresses of the page's files, in an order that does not change."""
    found = sorted(path.relative_to(HERE) for path in (HERE / "page").glob(pattern))
    return [f"/static/{path.as_posix()}" for path in found]


def _modules() -> list[str]:
    """The page's scripts and the libraries they import: told at once, they are not fetched one
    after the other as each names the next."""
    own = [url for url in _page_files("**/*.js") if not url.endswith("/theme.js")]
    return own + [f"/static/vendor/{path.name}" for path in sorted((HERE / "vendor").glob("*.js"))]


def _described(url: str, title: str) -> str:
    """Where an API is described, for the page and for programs (RFC 8631)."""
    return f'<link rel="service-doc" href="{escape(url)}" title="{escape(title)}">'


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
