"""`darkroom enrich`, called in this process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from server import cli
from server.enrichment.styles import STYLES
from server.enrichment.templates import expand
from server.enrichment.wish import MAX_LENGTH
from server.errors import ConfigurationError, InvalidParameters
from tests.docs.pages import DOCS, blocks
from tests.fake_http import answer
from tests.fake_language_model import KEY, PATH, FakeLanguageModel

GUIDE = DOCS / "how-to" / "enrich-prompts.md"


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, ["enrich", *arguments])


def expanded(prompt: str, style: str) -> str:
    return expand(prompt, STYLES[style], MAX_LENGTH)


@pytest.mark.parametrize("prompt", ["a castle", "[b]a castle[/b] :cat: (x:1.2)", "山の上の城"])
def test_the_prompt_alone_is_printed(prompt: str) -> None:
    result = run(prompt, "--style", "fantasy")
    assert result.exit_code == 0
    assert result.stdout == f"{expanded(prompt, 'fantasy')}\n"
    assert result.stderr == ""


def test_the_style_of_those_who_name_none() -> None:
    assert run("a castle").stdout == f"{expanded('a castle', 'enhance')}\n"


def test_json_has_all_of_it() -> None:
    assert json.loads(run("a castle", "--json").stdout) == {
        "original_prompt": "a castle",
        "enriched_prompt": expanded("a castle", "enhance"),
        "style": "enhance",
        "source": "template",
        "warning": None,
    }


def test_the_styles_are_listed_each_in_a_line() -> None:
    result = run("--list")
    assert result.exit_code == 0
    lines = [line for line in result.stdout.splitlines() if "a castle on a hill" in line]
    assert [line.split()[0] for line in lines] == [*STYLES]
    listed = json.loads(run("--list", "--json").stdout)["styles"]
    assert [style["name"] for style in listed] == [*STYLES]
    assert all(style["example"] in line for style, line in zip(listed, lines, strict=True))


def test_an_unknown_style_names_the_known_ones() -> None:
    result = run("a castle", "--style", "baroque")
    assert isinstance(result.exception, InvalidParameters)
    assert "cyberpunk, anime, realistic, fantasy, sci-fi, enhance" in str(result.exception)
    assert result.stdout == ""


def test_without_a_prompt_it_was_called_wrongly() -> None:
    result = run()
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--list" in result.stderr


def test_its_help_has_examples() -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert 'darkroom enrich "a castle" --style fantasy' in result.stdout


def test_a_configured_language_model_writes_and_its_failure_is_a_warning(tmp_path: Path) -> None:
    with FakeLanguageModel("a castle at dusk") as model:
        Path("darkroom.toml").write_text(
            f'[enrich]\nbase_url = "{model.base_url}"\nmodel = "writer"\napi_key = "{KEY}"\n'
        )
        written = run("a castle")
        model.faults[PATH] = [answer(500)]
        failed = run("a castle")
    assert (written.stdout, written.stderr) == ("a castle at dusk\n", "")
    assert failed.exit_code == 0
    assert failed.stdout == f"{expanded('a castle', 'enhance')}\n"
    assert failed.stderr.startswith("warning: ") and "status 500" in failed.stderr
    assert len(failed.stderr.splitlines()) == 1
    assert KEY not in failed.stderr


def test_a_configuration_that_cannot_be_read(tmp_path: Path) -> None:
    result = run("a castle", "--config", "absent.toml")
    assert isinstance(result.exception, ConfigurationError)


def test_the_guide_shows_what_is_printed() -> None:
    shown = [block for block in blocks(GUIDE, "console") if "enrich" in block]
    command, *printed = shown[0].splitlines()
    assert command == '$ darkroom enrich "a castle on a hill" --style fantasy'
    assert " ".join(printed) == run("a castle on a hill", "--style", "fantasy").stdout.strip()
    answered = json.loads(blocks(GUIDE, "json")[0])
    written = run(answered["original_prompt"], "--style", answered["style"], "--json")
    assert json.loads(written.stdout) == answered
