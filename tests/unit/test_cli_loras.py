"""`darkroom loras`, called in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from server import cli
from server.config import PREFIX, Settings
from server.lora_errors import LoraNotFound
from tests.fake_civitai import CIVITAI_KEY
from tests.fake_sources import FakeSources, lora, weights
from tests.serving import live_server, until
from tests.support import know_hub
from tests.unit.loras.builders import lora as write


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSources]:
    """Fake sources, and a current folder whose configuration knows them."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"{PREFIX}{name}".upper(), raising=False)
    monkeypatch.setenv("CIVITAI_API_KEY", CIVITAI_KEY)
    with FakeSources() as sources:
        know_hub(sources.hub_url, tmp_path, monkeypatch)
        (tmp_path / "darkroom.toml").write_text(
            f'data = "data"\nallow_private_sources = true\ncivitai_url = "{sources.civitai_url}"\n'
        )
        yield sources


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, ("loras", *arguments), catch_exceptions=True)


def own(*arguments: str) -> list[dict[str, object]]:
    """The LoRAs that no family brought."""
    listed = run(*arguments, "--json")
    assert listed.exit_code == 0, listed.output
    return [each for each in json.loads(listed.stdout)["loras"] if not each["bundled"]]


def test_adds_lists_shows_and_removes(fake: FakeSources, tmp_path: Path) -> None:
    fake.add_lora(1963644, 7, lora())
    added = run("add", "1963644")
    path = tmp_path / "data" / "loras" / "lora_1963644.safetensors"
    assert (added.exit_code, added.stdout) == (0, f"civitai_1963644: {path}\n")
    assert path.read_bytes() == lora()
    assert run("add", "1963644").stdout == f"civitai_1963644 is here: {path}\n"
    assert "inkwash, ink wash, paper" in run().stdout
    assert run("list").stdout == run().stdout
    assert [each["id"] for each in own("list")] == ["civitai_1963644"] and own() == own("list")
    assert own("list", "--family", "nobody") == []
    shown = run("show", "civitai_1963644").stdout
    assert "version id:       1963644" in shown and str(path) in shown
    assert json.loads(run("show", "lora_1963644", "--json").stdout)["sha256"] in shown
    assert run("remove", "civitai_1963644", "--yes").exit_code == 0 and path.is_file()
    asked = run("remove", "civitai_1963644", "--file")
    assert asked.exit_code == 1 and "Remove civitai_1963644" in asked.output and path.is_file()
    removed = run("remove", "civitai_1963644", "--file", "--yes")
    assert removed.stdout == "civitai_1963644: removed\n" and own() == []
    assert list(path.parent.iterdir()) == []
    assert isinstance(run("show", "civitai_1963644").exception, LoraNotFound)


def test_one_that_cannot_be_had_keeps_no_other(fake: FakeSources, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(weights())
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine.safetensors").write_bytes(lora())
    added = run("add", "17", "some words", "model.safetensors", "folder/mine.safetensors")
    assert added.exit_code == 1
    assert added.stdout.endswith(f"{tmp_path / 'data' / 'loras' / 'mine.safetensors'}\n")
    for text in ("17: source_missing: ", "some words: malformed_reference: ", "not_a_lora: "):
        assert text in added.stderr
    assert len(own()) == 1


def test_local_files_are_shown_by_their_whole_path_and_without_a_bar(
    fake: FakeSources, tmp_path: Path
) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "mine.safetensors").write_bytes(lora())
    added = run("add", "inside/../mine.safetensors", "./inside/../none.safetensors")
    assert added.stdout.endswith(f"{tmp_path / 'data' / 'loras' / 'mine.safetensors'}\n")
    missing = tmp_path / "none.safetensors"
    assert f"{missing}: source_missing: There is no file {missing}." in added.stderr
    assert ".." not in added.output and "bytes" not in added.output


def test_lists_files_and_why_one_is_unsupported(fake: FakeSources, tmp_path: Path) -> None:
    write(tmp_path / "data" / "loras" / "styles" / "x.safetensors")
    (line,) = [each for each in run().stdout.splitlines() if "styles/x.safetensors" in each]
    assert "unsupported: No model family here knows its layers  " in line
    nobody = run("--family", "nobody")
    assert (nobody.exit_code, nobody.stdout) == (0, "")
    assert "There are no LoRAs for the family nobody; families: " in nobody.stderr
    assert "postcard" in nobody.stderr


def test_shows_in_words(fake: FakeSources, tmp_path: Path) -> None:
    metadata = {"modelspec.license": "CC0", "modelspec.title": "Dusk"}
    write(tmp_path / "data" / "loras" / "x.safetensors", metadata=metadata)
    lines = [line.split(":", 1) for line in run("show", "x").stdout.splitlines()]
    told = {name: value.strip() for name, value in lines}
    assert (told["license"], told["bundled"]) == ("CC0", "no")
    assert (told["weight"], told["trigger weight"]) == ("1.0", "0.5")
    bundled = next(each for each in json.loads(run("--json").stdout)["loras"] if each["bundled"])
    assert "bundled:          yes\n" in run("show", bundled["id"]).stdout


def test_names_are_printed_as_they_are(fake: FakeSources, tmp_path: Path) -> None:
    name = "Style [/dark] :smile: pack"
    path = tmp_path / "data" / "loras" / "x.safetensors"
    write(path, metadata={"modelspec.title": name})
    listed = run()
    assert listed.exit_code == 0 and name in listed.stdout


def test_identifies_what_civitai_knows(fake: FakeSources, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "loras"
    folder.mkdir(parents=True)
    (tmp_path / "a.safetensors").write_bytes(lora(fill=1))
    (tmp_path / "b.safetensors").write_bytes(lora(fill=2))
    assert run("add", "a.safetensors", "b.safetensors").exit_code == 0
    fake.add_lora(70, 7, lora(fill=1))
    before = run("identify").stdout.splitlines()
    assert before[0] == "LoRAs: 0 known on civitai, 0 not on it, 2 not known yet"
    assert before[1].startswith("Not known yet: a, b. ") and len(before) == 2 and fake.seen == []
    told = run("identify", "--online").stdout
    assert "civitai_70  Lora 7: civitai:7@70" in told and "b: not on civitai" in told
    asked = len(fake.seen)
    assert run("identify").stdout == "LoRAs: 1 known on civitai, 1 not on it, 0 not known yet\n"
    assert run("identify", "--online").stdout == told and len(fake.seen) == asked
    fake.add_lora(80, 8, lora(fill=2))
    assert "civitai:8@80" in run("identify", "--online", "--again").stdout


def test_a_running_server_sees_it(fake: FakeSources, tmp_path: Path) -> None:
    fake.add_lora(90, 9, lora(fill=1))
    with live_server(tmp_path / "data") as server:

        def ids() -> list[str]:
            return [each["id"] for each in server.client.get("/api/loras").json()["loras"]]

        (tmp_path / "mine.safetensors").write_bytes(lora(fill=2))
        assert run("add", "90", "mine.safetensors").exit_code == 0
        until(lambda: "civitai_90" in ids())
        fake.add_lora(91, 9, lora(fill=2))
        assert run("identify", "--online").exit_code == 0
        until(lambda: "civitai_91" in ids())
        assert run("remove", "civitai_90", "--file", "--yes").exit_code == 0
        until(lambda: "civitai_90" not in ids())


def test_paragraphs_of_help_do_not_break_in_mid_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 400)
    for command, begin, end in (
        ("add", "A server that runs on", "the exit status is 1 then."),
        ("identify", "They are looked up by", "is not asked about again."),
    ):
        (line,) = [each for each in run(command, "--help").output.splitlines() if begin in each]
        assert line.strip().endswith(end)


def test_help_says_what_to_write() -> None:
    for words in ((), ("add",), ("identify",), ("show",), ("remove",), ("list",)):
        shown = run(*words, "--help")
        assert shown.exit_code == 0 and f"darkroom loras {' '.join(words)}".strip() in shown.output
