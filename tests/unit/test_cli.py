"""The commands, called in this process; `tests/test_command_line.py` runs them as processes."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner, Result

from server import cli, doctor
from server.cli import progress, remote
from server.cli.destination import Destination
from server.config import PREFIX, Settings
from server.doctor import Finding
from server.errors import (
    DarkroomError,
    FolderUnusable,
    InvalidParameters,
    JobAlreadyEnded,
    StorageFailed,
    Unavailable,
)
from server.records import JobStatus
from server.snapshots import JobSnapshot
from tests.serving import LiveServer, live_server
from tests.support import GALLERY, PLUGINS, fill_folder

WITH_COLOURS = ("--plugin-folder", str(PLUGINS))


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty current folder, the colours as the default model, and a log of its own."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"{PREFIX}{name}".upper(), raising=False)
    monkeypatch.setenv("DARKROOM_EXECUTOR", "inline")
    monkeypatch.setenv("DARKROOM_DEFAULT_MODEL", "colours")
    level, handlers = logging.root.level, logging.root.handlers[:]
    yield
    logging.root.setLevel(level)
    logging.root.handlers[:] = handlers


def run(*arguments: str) -> Result:
    """Run a command as `darkroom` would, errors shown and turned into exit statuses."""
    return CliRunner().invoke(cli.app, arguments, catch_exceptions=True)


def refused(*arguments: str) -> DarkroomError:
    """The error with which a command ends."""
    result = run(*arguments)
    assert isinstance(result.exception, DarkroomError), result.output
    return result.exception


def colour_at_left(path: Path) -> Any:
    with Image.open(path) as image:
        return image.getpixel((0, 0))


def snapshot(**changes: Any) -> JobSnapshot:
    given = {
        "job_id": "20260101_000000_00000000",
        "attempt": 1,
        "seq": 1,
        "status": JobStatus.PROCESSING,
        "model": "colours",
        "kind": "generate",
        "num_images": 1,
        "created_at": "2026-01-01T00:00:00.000Z",
    }
    return JobSnapshot(**{**given, **changes})


# --- the frame -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [[], ["serve"], ["generate"], ["models"], ["plugins"], ["plugins", "check"], ["doctor"]],
)
def test_every_command_has_help_with_examples(command: list[str]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert "Examples:" in result.output


def test_an_error_is_one_line_and_exit_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["darkroom", "models", "--config", "absent.toml"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    shown = capsys.readouterr()
    assert (ended.value.code, shown.out) == (1, "")
    assert shown.err.startswith("Configuration error: absent.toml cannot be read")


def test_refused_parameters_are_shown_by_field(capsys: pytest.CaptureFixture[str]) -> None:
    problems = [{"loc": ["loras", 0], "msg": "unknown", "type": "x"}]
    cli.report(InvalidParameters(problems))
    assert capsys.readouterr().err == "Invalid parameters:\n  loras.0: unknown\n"


# --- models and plugins --------------------------------------------------------------------


def test_models_lists_every_card_and_marks_the_default() -> None:
    result = run("models", *WITH_COLOURS)
    assert result.exit_code == 0
    marked = [line for line in result.stdout.splitlines() if line.startswith(" * ")]
    assert len(marked) == 1
    assert "colours" in marked[0]


def test_models_are_whole_lines_for_other_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    lines = run("models", *WITH_COLOURS).stdout.splitlines()
    (line,) = [line for line in lines if "sdxl-base" in line]
    assert "CreativeML Open RAIL++-M" in line and "Stable Diffusion XL" in line


def test_models_as_json() -> None:
    found = json.loads(run("models", "--json", *WITH_COLOURS).stdout)["models"]
    by_id = {model["id"]: model for model in found}
    assert by_id["colours"]["state"] == "on_disk"
    assert [model["id"] for model in found if model["current"]] == ["colours"]


def test_plugins_lists_the_sound_ones() -> None:
    result = run("plugins", "--json", *WITH_COLOURS)
    by_name = {plugin["name"]: plugin for plugin in json.loads(result.stdout)["plugins"]}
    assert result.exit_code == 0
    assert by_name["colours"]["families"] == ["colours"]
    assert by_name["colours"]["version"] == "1.2.3"


def test_a_faulty_plugin_is_named_and_the_exit_status_is_1(tmp_path: Path) -> None:
    folder = fill_folder(tmp_path / "p", GALLERY / "misspelt_hook.py", PLUGINS / "colours.py")
    result = run("plugins", "--plugin-folder", str(folder))
    assert result.exit_code == 1
    assert "fault in misspelt_hook: " in result.stdout
    data = json.loads(run("plugins", "--json", "--plugin-folder", str(folder)).stdout)
    faulty = [plugin["name"] for plugin in data["plugins"] if not plugin["ok"]]
    assert faulty == ["misspelt_hook"]


def test_plugins_check_shows_promises_kept_and_broken(tmp_path: Path) -> None:
    assert run("plugins", "check", "colours", *WITH_COLOURS).exit_code == 0
    folder = fill_folder(tmp_path / "p", GALLERY / "load_raises.py")
    result = run("plugins", "check", "load_raises", "--json", "--plugin-folder", str(folder))
    assert result.exit_code == 1
    assert not all(finding["ok"] for finding in json.loads(result.stdout)["findings"])


def test_plugins_check_takes_the_folder_before_or_after_its_name() -> None:
    assert run("plugins", *WITH_COLOURS, "check", "colours").exit_code == 0


# --- doctor --------------------------------------------------------------------------------


@pytest.mark.parametrize(("level", "status"), [("ok", 0), ("warning", 0), ("fault", 1)])
def test_doctor_fails_on_faults_only(
    monkeypatch: pytest.MonkeyPatch, level: Any, status: int
) -> None:
    finding = Finding("device", level, "it is so", "do this")
    monkeypatch.setattr(doctor, "examine", lambda *_, **__: iter([finding]))
    shown = run("doctor")
    assert (shown.exit_code, shown.stdout.split()[:2]) == (status, [level, "device:"])
    assert "do this" in shown.stdout
    data = run("doctor", "--json")
    assert data.exit_code == status
    assert json.loads(data.stdout)["findings"][0]["remedy"] == "do this"


# --- generate ------------------------------------------------------------------------------


def test_generate_writes_the_image_and_prints_its_path_alone(tmp_path: Path) -> None:
    result = run("generate", "red", "--seed", "7", "-o", "x.png", *WITH_COLOURS)
    assert (result.exit_code, result.stdout) == (0, "x.png\n")
    assert "completed" in result.stderr
    assert colour_at_left(tmp_path / "x.png") == (200, 30, 30)


def test_without_a_name_the_image_keeps_that_of_its_job(tmp_path: Path) -> None:
    (name,) = run("generate", "red", *WITH_COLOURS).stdout.split()
    assert [path.name for path in tmp_path.glob("*.png")] == [name]
    assert name.endswith("_0.png")


def test_several_images_are_numbered() -> None:
    result = run("generate", "red", "-n", "3", "-o", "x.png", *WITH_COLOURS)
    assert result.stdout.split() == ["x_0.png", "x_1.png", "x_2.png"]


def test_options_become_parameters(tmp_path: Path) -> None:
    words = ("--width", "128", "--height", "80", "--set", 'sampler="ddim"')
    assert run("generate", "red", *words, *WITH_COLOURS).exit_code == 2
    words = ("--width", "128", "--height", "80", "--sampler", "ddim", "--set", "delay=0.0")
    assert run("generate", "red", *words, "-o", "x.png", *WITH_COLOURS).exit_code == 0
    with Image.open(tmp_path / "x.png") as image:
        assert image.size == (128, 80)
        assert "ddim" in json.dumps(image.info)


def test_files_are_not_overwritten_without_force(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"mine")
    error = refused("generate", "red", "-o", "x.png", *WITH_COLOURS)
    assert "--force" in error.message
    assert (tmp_path / "x.png").read_bytes() == b"mine"
    assert run("generate", "red", "-o", "x.png", "--force", *WITH_COLOURS).exit_code == 0
    assert colour_at_left(tmp_path / "x.png") == (200, 30, 30)


def test_invalid_parameters_are_refused_before_a_worker_starts() -> None:
    error = refused("generate", "red", "--width", "65", "--set", "wdith=1", *WITH_COLOURS)
    assert isinstance(error, InvalidParameters)
    assert {problem["loc"][0] for problem in error.errors} == {"width", "wdith"}


def test_a_failed_job_is_an_error(tmp_path: Path) -> None:
    error = refused("generate", "red raise", *WITH_COLOURS)
    assert "asked to raise" in error.message
    assert list(tmp_path.glob("*.png")) == []


def test_words_that_are_not_used_are_warned_of() -> None:
    result = run("generate", "red", "--set", "clip_skip=2", "-o", "x.png", *WITH_COLOURS)
    assert "warning: `clip_skip` is not used" in result.stderr
    assert result.stdout == "x.png\n"


@pytest.fixture
def teal(tmp_path: Path) -> str:
    """A local image's path."""
    Image.new("RGB", (80, 80), (10, 120, 130)).save(tmp_path / "teal.webp", lossless=True)
    return "teal.webp"


def test_a_local_image_is_begun_with(tmp_path: Path, teal: str) -> None:
    assert run("generate", "red", "--image", teal, "-o", "x.png", *WITH_COLOURS).exit_code == 0
    assert colour_at_left(tmp_path / "x.png") == (10, 120, 130)


def test_a_local_image_goes_to_a_running_server(
    tmp_path: Path, teal: str, server: LiveServer
) -> None:
    url = str(server.client.base_url)
    result = run("generate", "red", "--image", teal, "-o", "x.png", "--server", url)
    assert result.exit_code == 0, result.output
    assert colour_at_left(tmp_path / "x.png") == (10, 120, 130)


def test_a_file_that_is_no_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("no image")
    assert "no PNG" in refused("generate", "red", "--image", "x.txt", *WITH_COLOURS).message


@pytest.mark.parametrize("image", ["teal.webp", "nowhere.png", "."])
def test_an_image_is_a_file_and_given_once(image: str, teal: str) -> None:
    more = ("--set", "init_image=null") if image == teal else ()
    assert run("generate", "red", "--image", image, *more, *WITH_COLOURS).exit_code == 2


@pytest.mark.parametrize(
    "wrong",
    [
        ("--set", "delay=soon"),
        ("--set", "delay"),
        ("--set", "seed=1"),
        ("-o", "x.jpg"),
        ("-n", "0"),
    ],
)
def test_wrong_calls_have_exit_status_2(wrong: tuple[str, str]) -> None:
    assert run("generate", "red", *wrong, *WITH_COLOURS).exit_code == 2


# --- generate on a running server ----------------------------------------------------------


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    with live_server(tmp_path / "data") as running:
        yield running


def test_generate_on_a_server(server: LiveServer, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{server.port}"
    result = run("generate", "green", "-n", "2", "-o", "x.png", "--server", url)
    assert (result.exit_code, result.stdout) == (0, "x_0.png\nx_1.png\n")
    assert colour_at_left(tmp_path / "x_1.png") == (30, 160, 60)
    gallery = server.client.get("/api/images").json()
    assert gallery["total"] == 2
    refusal = refused("generate", "green", "--width", "1", "--server", f"{url}/")
    assert isinstance(refusal, InvalidParameters)


@pytest.mark.parametrize("scheme", ["http://", ""])
def test_without_a_server_at_the_address_it_says_so(scheme: str) -> None:
    with doctor.listen(Settings(port=0)) as listeners:
        port = listeners.main.port
    error = refused("generate", "red", "--server", f"{scheme}127.0.0.1:{port}")
    assert f"No server answers at http://127.0.0.1:{port}" in error.message
    assert "darkroom serve" in error.message


async def test_a_lost_stream_is_taken_up_after_the_last_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(remote, "PAUSE", 0)
    asked: list[str | None] = []
    pieces = [[snapshot(seq=1), snapshot(seq=2)], [snapshot(seq=9, status=JobStatus.COMPLETED)]]

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("Last-Event-ID"))
        if len(asked) == 2:
            raise httpx.ConnectError("the server restarts")
        events = [f"id: {item.revision}\ndata: {item.json}\n\n" for item in pieces.pop(0)]
        kind = {"Content-Type": "text/event-stream"}
        return httpx.Response(200, headers=kind, text="".join(events))

    transport = httpx.MockTransport(answer)
    async with httpx.AsyncClient(base_url="http://server", transport=transport) as client:
        seen = [item.seq async for item in remote.RemoteSession(client).watch("job")]
    assert (seen, asked) == ([1, 2, 9], [None, "1.2", "1.2"])


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(409, "job_already_ended", JobAlreadyEnded), (503, "queue_full", Unavailable)],
)
def test_a_servers_refusal_becomes_an_error(
    status: int, code: str, kind: type[DarkroomError]
) -> None:
    answer = httpx.Response(status, json={"code": code, "detail": "for this reason"})
    error = remote.refusal(answer)
    assert (type(error), error.message) == (kind, "for this reason")


def test_a_foreign_servers_answer_is_told_apart() -> None:
    answer = httpx.Response(404, text="<html>", request=httpx.Request("GET", "http://other/"))
    assert "not as Darkroom does" in remote.refusal(answer).message


def test_a_snapshot_of_a_newer_server_is_read() -> None:
    data = {**snapshot(preview=b"jpeg").as_dict(), "added_later": 1}
    assert remote.read_snapshot(json.dumps(data)) == snapshot()


# --- files and progress --------------------------------------------------------------------


def test_a_missing_folder_is_told_before_anything_is_generated(tmp_path: Path) -> None:
    with pytest.raises(FolderUnusable, match="absent"):
        Destination(tmp_path / "absent" / "x.png", count=1, force=False).check()


def test_a_file_that_appeared_meanwhile_is_left_alone(tmp_path: Path) -> None:
    destination = Destination(tmp_path / "x.png", count=1, force=False)
    destination.check()
    (tmp_path / "x.png").write_bytes(b"mine")
    with pytest.raises(StorageFailed, match="exists"):
        destination.write("job_0.png", 0, b"ours")
    assert (tmp_path / "x.png").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": JobStatus.QUEUED, "queue_position": 3}, "queued at position 3"),
        ({"phase": "loading"}, "loading colours"),
        ({"phase": "generating", "image_index": 0}, "generating"),
        ({"phase": "saving", "image_index": 1, "num_images": 4}, "saving image 2 of 4"),
        ({"status": JobStatus.COMPLETED}, "completed"),
    ],
)
def test_progress_in_words(changes: dict[str, Any], words: str) -> None:
    assert progress.describe(snapshot(**changes)) == words


def test_on_a_terminal_the_bar_shows_step_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120)
    monkeypatch.setattr(progress, "err", console)
    with progress.display() as shown:
        shown.show(snapshot(phase="generating", step=5, total_steps=20, eta_seconds=7.4))
    assert "step 5/20, 7 s left" in screen.getvalue()
