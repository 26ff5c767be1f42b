"""What the pages show can be read, called and sent as printed."""

from __future__ import annotations

import ast
import json
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from server.cli import app
from server.config import Settings, load_settings
from server.plugins.manager import discover
from server.sources.references import parse
from tests.docs.pages import PAGES, blocks, name

COMMAND: Any = typer.main.get_command(app)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_code_is_well_formed(page: Path) -> None:
    for block in blocks(page, "json"):
        assert isinstance(json.loads(block), dict | list), block
    for block in blocks(page, "toml"):
        assert tomllib.loads(block), block
    for block in blocks(page, "python"):
        if page.parent.name != "reference":  # signatures, no statements
            assert ast.parse(block).body, block


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_configuration_files_are_accepted(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # The optional packages that a page's models need may be missing here.
    monkeypatch.setattr("server.quantization.find_spec", lambda package: package)
    file = tmp_path / "darkroom.toml"
    for block in blocks(page, "toml"):
        if not block.startswith("[project"):  # a plugin's pyproject.toml
            file.write_text(block, encoding="utf-8")
            settings = load_settings()
            assert set(tomllib.loads(block)) == settings.model_fields_set
            _assert_usable(settings)


def _assert_usable(settings: Settings) -> None:
    """That the models are ones that families take, from sources that can be understood."""
    plugins = discover(models=settings.models)
    assert [fault for record in plugins.records() for fault in record.faults] == []
    for model in settings.models:
        _, card = plugins.cards[model.id]
        for source in filter(None, (card.source, card.config, *card.components.values())):
            parse(source)


def commands(page: Path) -> Iterator[list[str]]:
    """The words of every call of `darkroom` that a page shows."""
    for block in blocks(page, "sh", "console"):
        for line in block.replace("\\\n", " ").splitlines():
            call = line.removeprefix("$ ").strip()
            if Path(call.partition(" ")[0].replace("\\", "/")).name == "darkroom":
                yield shlex.split(call, comments=True)[1:]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_and_their_options_exist(page: Path) -> None:
    for words in commands(page):
        command, left = COMMAND, list(words)
        while left and left[0] in getattr(command, "commands", {}):
            command = command.commands[left.pop(0)]
        assert command is not COMMAND or words[0].startswith("-"), words
        known = {flag for param in command.params for flag in (*param.opts, *param.secondary_opts)}
        assert {word for word in left if word.startswith("-")} <= known, words


def variables(command: Any) -> Iterator[str]:
    """The environment variables of a command's options and of those below it."""
    yield from (param.envvar for param in command.params if param.envvar)
    for each in getattr(command, "commands", {}).values():
        yield from variables(each)


def test_environment_variables_exist() -> None:
    known = {f"DARKROOM_{setting.upper()}" for setting in Settings.model_fields}
    known |= set(variables(COMMAND))
    for page in PAGES:
        for block in blocks(page, "sh", "console"):
            for word in block.split():
                if word.startswith("DARKROOM_"):
                    assert word.partition("=")[0] in known
