"""What `darkroom plugins` and `darkroom doctor` tell of dialects, called in this process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from server import cli, doctor
from server.app import all_plugins
from server.config import load_settings

#: A dialect that is announced well and cannot be built.
UNBUILDABLE = """
from darkroom.dialects import Dialect, hookimpl

def build(host):
    raise RuntimeError("no telephone today")

@hookimpl
def register_dialects():
    return [Dialect("telephone", "Telephone", "silent_telephone:build")]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plugin folder with the telephone: one for all, for a process imports a module name once."""
    found = tmp_path_factory.mktemp("plugins")
    (found / "silent_telephone.py").write_text(UNBUILDABLE)
    return found


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, arguments)


def test_plugins_lists_dialects_and_names_one_that_cannot_be_built(folder: Path) -> None:
    result = run("plugins", "--json", "--plugin-folder", str(folder))
    by_name = {plugin["name"]: plugin for plugin in json.loads(result.stdout)["plugins"]}
    assert result.exit_code == 1
    assert (by_name["krea"]["dialects"], by_name["krea"]["ok"]) == (["krea"], True)
    assert by_name["postcard"]["dialects"] == []
    assert by_name["silent_telephone"]["dialects"] == ["telephone"]
    assert "RuntimeError: no telephone today" in by_name["silent_telephone"]["faults"][0]


def test_a_dialect_is_checked_by_its_own_name(folder: Path) -> None:
    sound = run("plugins", "check", "krea", "--json")
    assert sound.exit_code == 0
    assert [finding["ok"] for finding in json.loads(sound.stdout)["findings"]] == [True, True]
    broken = run("plugins", "check", "telephone", "--json", "--plugin-folder", str(folder))
    assert broken.exit_code == 1
    first = json.loads(broken.stdout)["findings"][0]
    assert (first["subject"], first["ok"]) == ("silent_telephone", False)
    assert "RuntimeError: no telephone today" in first["message"]


def test_doctor_tells_which_dialects_are_spoken_and_which_are_off(folder: Path) -> None:
    settings = load_settings(
        None, plugin_folder=folder, data=folder / "data", dialects={"krea": {"enabled": False}}
    )
    manager = all_plugins(settings)
    (finding,) = doctor.dialects(manager, settings)
    assert finding.level == "ok"
    spoken, _, off = finding.message.partition("; off: ")
    assert "bfl" in spoken.split(", ") and "telephone" not in spoken
    assert off == "krea"
    faults = [each.topic for each in doctor.plugins(manager) if each.level == "fault"]
    assert faults == ["plugin silent_telephone"]
    assert not (folder / "data").exists(), "looking changes nothing"


def test_a_dialect_s_table_that_cannot_be_used_is_a_finding(folder: Path) -> None:
    settings = load_settings(None, data=folder / "data", dialects={"krea": {"greting": "x"}})
    (finding,) = doctor.dialects(all_plugins(settings), settings)
    assert (finding.topic, finding.level) == ("dialects", "fault")
    assert "[dialects.krea] greting" in finding.message
