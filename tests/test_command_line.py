"""`darkroom` as people start and stop it: real processes, real signals, real exit statuses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx
import pytest

from server import __version__
from server.settings_faults import PREFIX
from tests.support import PLUGINS

ROOT = Path(__file__).parent.parent
# On the CPU, for which no worker imports torch to see what else there is.
COLOURS = ("--plugin-folder", str(PLUGINS), "--device", "cpu")
SERVE = ("serve", "--port", "0", *COLOURS, "--default-model", "colours")

#: Seconds a test waits for what must happen; generous, since CI machines are slow and shared.
PATIENCE = 60


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "server", *arguments]


def environment(**variables: str) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return {**own, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **variables}


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@contextmanager
def started(folder: Path, *arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Start a command; it is killed at the end when it still runs."""
    with subprocess.Popen(
        command(*arguments),
        cwd=folder,
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def lines_until(stream: IO[str] | None, words: str) -> list[str]:
    """The lines of a stream up to the first with these words."""
    assert stream is not None
    lines: list[str] = []
    for line in stream:
        lines.append(line.rstrip("\n"))
        if words in line:
            return lines
    raise AssertionError(f"{words!r} never came: {lines}")


def url_in(greeting: list[str]) -> str:
    return greeting[0].removeprefix("Darkroom serves on ")


def test_the_module_is_the_command(tmp_path: Path) -> None:
    done = run(tmp_path, "--version")
    assert (done.returncode, done.stdout) == (0, f"darkroom {__version__}\n")
    script = Path(sys.executable).with_name("darkroom")
    if script.exists():  # not where the package is on the path only
        shown = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
        assert shown.stdout == done.stdout


def test_serve_says_where_everything_is_and_when_the_model_is_ready(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with started(tmp_path, *SERVE, "--data", str(data)) as process:
        greeting = lines_until(process.stdout, "/api/sse/")
        url = url_in(greeting)
        assert httpx.get(f"{url}/health").json()["status"] == "ok"
        text = "\n".join(greeting)
        for place in (f"{url}/docs", data / "images", data / "thumbs", data / "darkroom.db"):
            assert str(place) in text
        assert "Model Colours is ready." in text
        assert f"curl {url}/api/generate" in text

        port = url.rpartition(":")[2]
        taken = run(tmp_path, "serve", "--port", port, "--data", str(tmp_path / "other"))
        assert (taken.returncode, taken.stdout) == (1, "")
        assert taken.stderr.startswith(f"Address unusable: 127.0.0.1 port {port}")
        assert not (tmp_path / "other").exists()

        second = run(tmp_path, *SERVE, "--data", str(data))
        assert (second.returncode, second.stdout) == (1, "")
        assert second.stderr.startswith(f"Data folder in use: Another server runs on {data}")
        assert "Traceback" not in second.stderr

        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0


def test_sigterm_ends_a_server_with_an_open_stream_and_the_job_is_taken_up(tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    body = {"prompt": "red", "delay": 30, "steps": 2}
    with started(tmp_path, *SERVE, "--data", data) as process:
        url = url_in(lines_until(process.stdout, "is ready"))
        job_id = httpx.post(f"{url}/api/generate", json=body).json()["job_id"]
        with httpx.stream("GET", f"{url}/api/sse/{job_id}", timeout=PATIENCE) as stream:
            lines = stream.iter_lines()
            assert any('"generating"' in line for line in lines)
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
    with started(tmp_path, *SERVE, "--data", data, "--on-start", "pause") as process:
        greeting = lines_until(process.stdout, "/api/queue/resume")
        job = httpx.get(f"{url_in(greeting)}/api/jobs/{job_id}").json()
        assert (job["status"], job["queue_position"]) == ("queued", 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--host", "0.0.0.0"), "Address unusable: Everyone who reaches 0.0.0.0"),
        (("--data", "file/data"), "Folder unusable: "),
        (("--config", "absent.toml"), "Configuration error: absent.toml cannot be read"),
        (("--default-model", "colour"), "Configuration error: default_model: "),
        (("--data", "damaged"), "Database unreadable: "),
    ],
)
def test_what_keeps_a_server_from_starting_is_one_message(
    tmp_path: Path, arguments: tuple[str, str], message: str
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "darkroom.db").write_bytes(b"no database" * 1000)
    done = run(tmp_path, *SERVE, "--data", "data", *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1


def test_ctrl_c_cancels_a_private_job_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "temporary").mkdir()
    words = ("--model", "colours", "--set", "delay=0.5", "--steps", "150")
    variables = {"TMPDIR": str(tmp_path / "temporary")}
    with started(tmp_path, "generate", "red", *words, *COLOURS, **variables) as process:
        lines_until(process.stderr, "generating")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (130, "")
    assert "cancelling" in err
    assert "Traceback" not in err
    assert list((tmp_path / "temporary").iterdir()) == []


def test_ctrl_c_cancels_the_job_on_a_server(tmp_path: Path) -> None:
    with started(tmp_path, *SERVE, "--data", "data") as server:
        url = url_in(lines_until(server.stdout, "is ready"))
        words = ("--set", "delay=0.5", "--steps", "150", "--server", url)
        with started(tmp_path, "generate", "red", *words) as process:
            lines_until(process.stderr, "generating")
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 130
        (job,) = httpx.get(f"{url}/api/jobs").json()["jobs"]
        assert job["status"] == "cancelled"
