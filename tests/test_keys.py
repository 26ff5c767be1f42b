"""Keys on a real server that others reach: it starts, lets in who has one, and logs none."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from server.keys.token import Token
from tests.servers import PATIENCE, ROOT, ServerProcess
from tests.serving import until
from tests.support import PLUGINS

OPTIONS = ("--plugin-folder", str(PLUGINS), "--default-model", "colours", "--no-preload")


def darkroom(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A command, run to its end."""
    return subprocess.run(
        [sys.executable, "-m", "server", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "data"


@pytest.fixture(scope="module")
def key(data: Path) -> str:
    made = darkroom("keys", "add", "laptop", "--data", str(data))
    return made.stdout.removesuffix("\n")


@pytest.fixture(scope="module")
def server(data: Path, key: str) -> Iterator[ServerProcess]:
    """A server with a key on every address of this machine."""
    everywhere = ("--host", "0.0.0.0", "--log-level", "debug")
    with ServerProcess(data, *everywhere, *OPTIONS) as running:
        yield running


def test_without_keys_it_serves_nobody_but_this_machine(tmp_path: Path) -> None:
    refused = darkroom(
        "serve", "--host", "0.0.0.0", "--port", "0", "--data", str(tmp_path / "data"), *OPTIONS
    )
    assert refused.returncode == 1
    assert "darkroom keys add" in refused.stderr and "--insecure" in refused.stderr


def test_with_keys_it_serves_those_who_have_one(server: ServerProcess, key: str) -> None:
    assert server.client.get("/api/jobs").status_code == 401
    assert server.client.get("/api/jobs", headers={"x-key": key}).status_code == 200
    assert server.client.get("/api/jobs", headers={"x-key": key + "x"}).status_code == 401
    assert server.client.get("/health").status_code == 200


def test_no_key_stands_in_the_log(server: ServerProcess, data: Path, key: str) -> None:
    token = Token.read(key)
    assert token is not None
    other = Token.draw()
    escaped = "".join(f"%{ord(letter):02x}" for letter in key)
    for query in (f"key={key}", f"a=1&key={other.text}", f"%6Bey={escaped}", "key=my-own-word"):
        server.client.get(f"/api/jobs?{query}")
    server.client.post("/api/session", json={"key": key})
    address = server.url.replace("http://", "ws://")
    headers = {"Authorization": f"Bearer {key}"}
    with pytest.raises(InvalidStatus):
        connect(f"{address}/nowhere?key={key}", additional_headers=headers)
    file = Path(f"{data}.log")
    until(lambda: '"WebSocket /nowhere' in file.read_text())
    log = file.read_text()
    assert "GET /api/jobs?key=…" in log and "a=1&key=…" in log
    for secret in (token.secret, other.secret, escaped, "my-own-word"):
        assert secret not in log


def test_a_socket_that_is_refused_is_no_error_of_the_server(
    server: ServerProcess, data: Path
) -> None:
    address = server.url.replace("http://", "ws://")
    with pytest.raises(InvalidStatus) as caught:
        connect(f"{address}/ws/generation")
    assert caught.value.response.status_code == 401
    server.client.get("/health?after=it")
    file = Path(f"{data}.log")
    until(lambda: "/health?after=it" in file.read_text())
    log = file.read_text()
    assert '"WebSocket /ws/generation" 401' in log
    assert " ERROR " not in log
