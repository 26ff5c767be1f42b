"""One server on several ports, as people start and stop it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.servers import PATIENCE, ServerProcess
from tests.serving import LiveServer, live_server, until
from tests.support import COLOURS, TELEGRAPH, fill_folder

OWN_PORT = {"dialect": "telegraph", "port": 0}
LOCAL = {"Origin": "http://localhost:5173"}


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill_folder(tmp_path_factory.mktemp("plugins"), COLOURS, TELEGRAPH)


@pytest.fixture(scope="module")
def server(plugins: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    data = tmp_path_factory.mktemp("data")
    options = {"plugin_folder": plugins, "body_timeout": 1, "max_body_bytes": 4096}
    with live_server(data, listen=[OWN_PORT], **options) as running:
        yield running


def test_what_comes_in_on_any_port_is_one_queue_and_one_gallery(server: LiveServer) -> None:
    own = server.url_of("telegraph")
    by_own = httpx.post(f"{own}/send", json={"words": "red"}, timeout=PATIENCE).json()
    by_main = server.client.post("/telegraph/send", json={"words": "blue"}).json()
    assert (by_own["status"], by_main["status"]) == ("completed", "completed")
    images = server.client.get("/api/images").json()["images"]
    assert [image["prompt"] for image in images] == ["blue", "red"]


def test_a_port_of_its_own_has_nothing_but_the_dialect(server: LiveServer) -> None:
    own = server.url_of("telegraph")
    assert httpx.get(f"{own}/api/images").json() == {"stop": "not_found"}
    assert server.client.post("/send", json={"words": "red"}).status_code == 404


@pytest.mark.parametrize("path", ["/send", "/absent"])
def test_pages_of_this_machine_may_ask_on_every_port(server: LiveServer, path: str) -> None:
    asked = {**LOCAL, "Access-Control-Request-Method": "POST"}
    for base in (server.url_of("telegraph"), f"{server.client.base_url}/telegraph"):
        told = httpx.options(f"{base}{path}", headers=asked)
        assert told.headers["access-control-allow-origin"] == LOCAL["Origin"]
        refused = httpx.post(f"{base}{path}", headers=LOCAL, content=b"{")
        assert refused.status_code >= 400
        assert refused.headers["access-control-allow-origin"] == LOCAL["Origin"]


@pytest.mark.parametrize(
    ("length", "sent", "status", "code"),
    [(9999, b"", b"413", b"body_too_large"), (9, b"{", b"408", b"request_timeout")],
)
def test_a_dialect_refuses_bodies_in_its_own_words(
    server: LiveServer, length: int, sent: bytes, status: bytes, code: bytes
) -> None:
    address = ("127.0.0.1", server.listeners.dialects[0].port)
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        head = f"POST /send HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n"
        connection.sendall(head.encode() + b"Connection: close\r\n\r\n" + sent)
        said = b"".join(iter(lambda: connection.recv(65536), b""))
    assert said.startswith(b"HTTP/1.1 " + status)
    assert said.endswith(b'{"stop":"' + code + b'"}')


def test_a_stop_ends_every_kind_of_connection_and_keeps_the_job(
    plugins: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    options = ("--plugin-folder", str(plugins), "--default-model", "colours", "--device", "cpu")
    ports = ("--listen", "telegraph=0", "--listen", "telegraph=0")
    with ServerProcess(data, *options, *ports) as server, ThreadPoolExecutor() as pool:
        own = server.url_of("telegraph")
        telegram = {"words": "red", "delay": 30}
        waiting = pool.submit(httpx.post, f"{own}/send", json=telegram, timeout=PATIENCE)
        until(lambda: bool(server.get("/api/jobs")["jobs"]))
        (job,) = server.get("/api/jobs")["jobs"]
        seen = []
        with connect(f"{own.replace('http', 'ws')}/wire") as wire:
            wire.send("still here")
            assert wire.recv(PATIENCE) == "still here"
            for snapshot in server.snapshots(job["job_id"]):
                seen.append(snapshot["status"])
                if snapshot["status"] == "processing":
                    server.terminate()
            with pytest.raises(ConnectionClosed) as closed:
                wire.recv(PATIENCE)
        assert server.process.returncode == 0
        assert seen[-1] == "processing"
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1012
        told = waiting.result()
        assert (told.status_code, told.json()) == (503, {"stop": "shutting_down"})
    with ServerProcess(data, *options, "--on-start", "pause") as server:
        (job,) = server.get("/api/jobs")["jobs"]
        assert (job["status"], job["queue_position"]) == ("queued", 1)
