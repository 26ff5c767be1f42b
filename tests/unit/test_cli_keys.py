"""`darkroom keys`, and keys for `darkroom generate --server`, called in this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from server import cli
from server.callers import Scope
from server.config import PREFIX, Settings
from server.errors import DarkroomError, RequestError, StartupError
from server.key_errors import KeyMissing, KeyNameUnusable, KeyNotFound, KeyRefused
from server.keys.token import Token
from tests.serving import LiveServer, live_server, problem


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty current folder, and no settings but the tests' own."""
    monkeypatch.chdir(tmp_path)
    for name in (*Settings.model_fields, "key"):
        monkeypatch.delenv(f"{PREFIX}{name}".upper(), raising=False)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture
def data(server: LiveServer) -> Iterator[str]:
    """The data folder of the server, which has no keys before and after."""
    yield str(server.service.settings.data)
    server.service.keys.reset()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, arguments, catch_exceptions=True)


def added(*arguments: str) -> str:
    """A new key."""
    result = run("keys", "add", *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def listed(data: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run("keys", "list", "--data", data, "--json").stdout)[
        "keys"
    ]
    return found


def refused(*arguments: str) -> DarkroomError:
    """The error with which a command ends."""
    result = run(*arguments)
    assert isinstance(result.exception, DarkroomError), result.output
    return result.exception


def test_a_key_stands_alone_on_standard_output_and_is_not_shown_again(tmp_path: Path) -> None:
    data = str(tmp_path / "new")
    made = run("keys", "add", "laptop", "--data", data)
    assert made.exit_code == 0 and made.stdout.count("\n") == 1
    token = Token.read(made.stdout.removesuffix("\n"))
    assert token is not None
    assert "not shown again" in made.stderr and "asks everybody" in made.stderr
    second = run("keys", "add", "phone", "--data", data)
    assert "asks everybody" not in second.stderr
    shown = run("keys", "--data", data)
    assert "laptop" in shown.stdout and token.id in shown.stdout
    assert token.secret not in shown.output
    assert run("keys", "list", "--data", data).stdout == shown.stdout


def test_what_a_key_may_do_is_said_and_listed(data: str) -> None:
    added(
        "studio", "--tier", "pro", "--scope", "read", "--scope", "generate", "--max-queued", "20",
        "--max-running", "2", "--data", data,
    )  # fmt: skip
    added("laptop", "--data", data)
    first, second = listed(data)
    assert (first["tier"], first["scopes"]) == ("pro", ["generate", "read"])
    assert (first["max_queued"], first["max_running"]) == (20, 2)
    assert (second["tier"], second["scopes"]) == ("authenticated", [*Scope])
    assert first["created_at"].endswith("Z") and first["revoked_at"] is None
    table = run("keys", "--data", data).stdout
    assert "generate, read" in table and table.count("in use") == 2


def test_keys_are_made_and_revoked_while_the_server_runs(server: LiveServer, data: str) -> None:
    assert server.client.get("/api/jobs").status_code == 200
    key = added("laptop", "--data", data)
    problem(server.client.get("/api/jobs"), 401, "key_missing")
    headers = {"x-key": key}
    assert server.client.get("/api/jobs", headers=headers).status_code == 200
    revoked = run("keys", "revoke", "laptop", "--data", data)
    assert revoked.stdout == "laptop: revoked\n" and "It was the last" in revoked.stderr
    problem(server.client.get("/api/jobs", headers=headers), 401, "key_refused")
    problem(server.client.get("/api/jobs"), 401, "key_missing")
    assert listed(data)[0]["revoked_at"] is not None
    assert "revoked 2" in run("keys", "--data", data).stdout
    assert run("keys", "reset", "--data", data, "--yes").exit_code == 0
    assert server.client.get("/api/jobs", headers=headers).status_code == 200


def test_a_reset_is_asked_about(data: str) -> None:
    added("laptop", "--data", data)
    added("phone", "--data", data)
    asked = CliRunner().invoke(cli.app, ("keys", "reset", "--data", data), input="n\n")
    assert asked.exit_code == 0 and "Forget all keys (2)?" in asked.stderr
    assert len(listed(data)) == 2
    assert "Keys forgotten: 2" in run("keys", "reset", "--data", data, "--yes").stdout
    assert listed(data) == []
    assert "no keys" in run("keys", "reset", "--data", data).stdout
    assert "no keys" in run("keys", "--data", data).stderr


def test_the_data_folder_may_come_from_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('data = "there"\n')
    added("laptop", "--config", "own.toml")
    assert (tmp_path / "there" / "darkroom.db").is_file()
    before = run("keys", "--config", "own.toml", "revoke", "laptop")
    assert before.stdout == "laptop: revoked\n"


def test_what_cannot_be_done_is_said(data: str) -> None:
    added("laptop", "--data", data)
    assert isinstance(refused("keys", "add", "laptop", "--data", data), KeyNameUnusable)
    assert isinstance(refused("keys", "revoke", "phone", "--data", data), KeyNotFound)
    for wrong in (
        ("--tier", "anonymous"), ("--scope", "all"), ("--max-queued", "0"), ("--max-running", "x"),
    ):  # fmt: skip
        assert run("keys", "add", "other", *wrong, "--data", data).exit_code == 2
    assert len(listed(data)) == 1


@pytest.mark.parametrize("command", [[], ["add"], ["list"], ["revoke"], ["reset"]])
def test_every_command_has_help_with_examples(command: list[str]) -> None:
    shown = run("keys", *command, "--help")
    assert shown.exit_code == 0 and "Examples:" in shown.output


# --- a server elsewhere --------------------------------------------------------------------


def test_generate_uses_a_key(
    server: LiveServer, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = added("laptop", "--data", data)
    there = ("generate", "red", "--server", str(server.client.base_url), "-o")
    assert isinstance(refused(*there, "a.png"), KeyMissing)
    assert isinstance(refused(*there, "a.png", "--key", Token.draw().text), KeyRefused)
    assert isinstance(refused(*there, "a.png", "--key", "schlüssel"), StartupError)
    assert run(*there, "a.png", "--key", key).stdout == "a.png\n"
    monkeypatch.setenv("DARKROOM_KEY", f" {key}\n")
    assert run(*there, "b.png").stdout == "b.png\n"
    assert all((tmp_path / name).stat().st_size for name in ("a.png", "b.png"))


def test_a_key_without_the_scope_generates_nothing(server: LiveServer, data: str) -> None:
    key = added("reader", "--scope", "read", "--data", data)
    error = refused("generate", "red", "--server", str(server.client.base_url), "--key", key)
    assert isinstance(error, RequestError) and "scope `generate`" in error.message
