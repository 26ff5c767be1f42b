"""docs/reference is what the code says now, and leaves nothing out."""

from __future__ import annotations

from functools import cache

import pytest

import darkroom
from darkroom import dialects
from server.app import all_plugins
from server.config import Settings
from server.errors import all_errors
from server.plugins import spec
from tests.docs.generator import generator
from tests.docs.pages import DOCS, text

REFERENCE = DOCS / "reference"


@cache
def written() -> dict[str, str]:
    """The pages as the code would write them now."""
    pages: dict[str, str] = generator("build_reference").pages()
    return pages


def test_no_page_is_missing_or_left_over() -> None:
    assert sorted(path.name for path in REFERENCE.iterdir()) == sorted(written())


@pytest.mark.parametrize("page", ["settings", "hooks", "routes", "errors", "command-line"])
def test_the_reference_is_what_the_code_says(page: str) -> None:
    current = text(REFERENCE / f"{page}.md")
    assert current == written()[f"{page}.md"], "the code has changed: run `make docs`"


def test_every_setting_is_there_with_its_variable() -> None:
    for setting in Settings.model_fields:
        assert f"| `{setting}` |" in written()["settings.md"]
        assert f"`DARKROOM_{setting.upper()}` |" in written()["settings.md"]


def test_every_dialect_s_settings_are_there() -> None:
    page = written()["settings.md"]
    for dialect in all_plugins(Settings()).dialects.values():
        section = page.partition(f"### `[dialects.{dialect.name}]`\n")[2].partition("\n##")[0]
        assert dialect.title in section
        for text_of_limit in dialect.rate_limits.values():
            assert text_of_limit in section
        for option in dialect.options.model_fields if dialect.options else ():
            assert f"| `{option}` |" in section


def test_every_hook_and_every_name_for_authors_is_there() -> None:
    for thing in {*spec.hooks(), *darkroom.__all__, *dialects.__all__} - {"hookimpl"}:
        assert f"### `{thing}`\n" in written()["hooks.md"]


def test_every_error_code_is_there_once() -> None:
    for error in all_errors():
        assert written()["errors.md"].count(f"| `{error.code}` |") == 1


def test_every_route_is_there() -> None:
    app = generator("build_reference").create_app(Settings())
    for path, operations in app.openapi()["paths"].items():
        for method in operations:
            assert f"### `{method.upper()} {path}`\n" in written()["routes.md"]
