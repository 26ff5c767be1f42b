"""`darkroom generate` with LoRAs, in this process."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner, Result

from server import cli
from server.cli.lora_option import ref_of
from server.cli.sessions import names_loras
from server.config import Settings
from server.database import Database
from server.errors import DarkroomError, InvalidParameters
from server.folders import checkout
from server.loras.store import LoraStore
from server.settings_faults import PREFIX
from tests.fake_sources import FakeSources, sha256
from tests.serving import LiveServer, live_server
from tests.unit.loras.builders import settle

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")

MODEL = ("--model", "postcard", "--steps", "2", "--seed", "7", "-o", "x.png")


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A current folder with a configuration, and a LoRA of the user's own in its data folder."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"{PREFIX}{name}".upper(), raising=False)
    monkeypatch.setenv("DARKROOM_EXECUTOR", "inline")
    (tmp_path / "darkroom.toml").write_text('data = "data"\n')
    write_lora(tmp_path / "data" / "loras" / "mine.safetensors")


def write_lora(path: Path) -> None:
    """A bundled LoRA, stronger: a file that nobody else has."""
    root = checkout()
    assert root is not None
    bundled = min((root / "model_plugins" / "postcard" / "loras").glob("*.safetensors"))
    path.parent.mkdir(parents=True)
    save_file({name: value * 1.5 for name, value in load_file(bundled).items()}, path)
    settle(path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, arguments, catch_exceptions=True)


def loras_of(path: Path) -> list[dict[str, Any]]:
    """The LoRAs in the recipe of an image."""
    with Image.open(path) as image:
        found: list[dict[str, Any]] = json.loads(image.info["darkroom"])["loras"]
        return found


def test_the_users_own_loras_are_known_without_a_server(tmp_path: Path) -> None:
    database = Database(tmp_path / "data" / "darkroom.db")
    path = tmp_path / "data" / "loras" / "mine.safetensors"
    LoraStore(database).edit(sha256(path.read_bytes()), {"weight": 0.6, "name": "Dusk"})
    database.close()
    made = run("generate", "a sailboat", "--lora", "Dusk", *MODEL)
    assert (made.exit_code, made.stdout) == (0, "x.png\n"), made.output
    (used,) = loras_of(tmp_path / "x.png")
    assert (used["name"], used["weight"], used["matched"]) == ("mine", 0.6, used["total"])
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert list((tmp_path / "data" / "images").iterdir()) == [], "only LoRAs are shared"


def test_those_of_another_data_folder(tmp_path: Path) -> None:
    (tmp_path / "data").rename(tmp_path / "elsewhere")
    made = run("generate", "a sailboat", "--lora", "mine:0.4:0", "--data", "elsewhere", *MODEL)
    assert made.exit_code == 0, made.output
    (used,) = loras_of(tmp_path / "x.png")
    assert (used["name"], used["weight"], used["trigger_weight"]) == ("mine", 0.4, 0.0)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"prompt": "a sailboat", "loras": []}, False),
        ({"prompt": "a sailboat", "loras": [{"id": "mine"}]}, True),
        ({"prompt": "a <lora:mine:0.4> sailboat"}, True),
    ],
)
def test_the_folder_is_looked_through_for_requests_that_name_some(
    body: dict[str, Any], named: bool
) -> None:
    assert names_loras(body) is named


def test_configured_loras_act_and_none_is_downloaded(tmp_path: Path) -> None:
    path = tmp_path / "data" / "loras" / "mine.safetensors"
    with FakeSources() as sources:
        (tmp_path / "darkroom.toml").write_text(
            f'data = "data"\ncivitai_url = "{sources.civitai_url}"\n'
            f"[[loras]]\nref = {json.dumps(str(path))}\nweight = 0.3\n"
            '[[loras]]\nref = "civitai:70"\n'
        )
        for words in (("--lora", "mine"), ("--force",)):
            assert run("generate", "a sailboat", *words, *MODEL).exit_code == 0
            told = [each["weight"] for each in loras_of(tmp_path / "x.png")]
            assert told == ([0.3] if words[0] == "--lora" else [])
        assert sources.seen == []


def test_an_unknown_one_is_refused(tmp_path: Path) -> None:
    refused = run("generate", "a sailboat", "--lora", "mime", *MODEL)
    assert isinstance(refused.exception, InvalidParameters)
    (problem,) = refused.exception.errors
    assert problem["type"] == "lora_not_found" and "(mine)" in problem["msg"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    with live_server(tmp_path / "data") as running:
        yield running


def test_they_go_to_a_running_server(server: LiveServer) -> None:
    words = ("--lora", "mime:0.5", "--lora", "mine:3", "--server", str(server.client.base_url))
    refused = run("generate", "a sailboat", *words, "--model", "postcard").exception
    assert isinstance(refused, DarkroomError)
    assert re.search(r"loras", str(getattr(refused, "errors", refused)))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("style", {"id": "style"}),
        ("style:0.8", {"id": "style", "weight": 0.8}),
        ("style:-1:0", {"id": "style", "weight": -1.0, "trigger_weight": 0.0}),
        ("Dusk: the series", {"id": "Dusk: the series"}),
        ("Dusk: the series:.5", {"id": "Dusk: the series", "weight": 0.5}),
    ],
)
def test_the_option_in_words(text: str, meant: dict[str, Any]) -> None:
    assert ref_of(text) == meant


@pytest.mark.parametrize("text", ["", ":1", "a:", "a:1:", "a:0,8", "a:1:2:3", "a:nan", "a:0.8x"])
def test_malformed_ones_are_usage_errors(text: str) -> None:
    wrong = run("generate", "a sailboat", "--lora", text, *MODEL)
    assert wrong.exit_code == 2
    assert "NAME[:WEIGHT[:TRIGGER_WEIGHT]]" in re.sub(r"[\s│]+", "", wrong.output)


def test_they_are_named_one_way_only() -> None:
    both = run("generate", "a sailboat", "--lora", "mine", "--set", "loras=[]", *MODEL)
    assert both.exit_code == 2 and "loras is given too" in both.output
