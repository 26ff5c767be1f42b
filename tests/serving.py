"""A real server in a thread of the test process, and a reader of its event streams."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastapi.dependencies.models
import httpx
import uvicorn
from fastapi import FastAPI
from jsonschema import Draft202012Validator
from sse_starlette.sse import AppStatus
from starlette.types import ASGIApp

from server.app import create_app
from server.config import Settings
from server.listeners import Listeners, listen
from server.serve import configuration
from server.service import GenerationService
from tests.support import PLUGINS

#: What every problem has.
PROBLEM_FIELDS = {"type", "title", "status", "detail", "code"}

#: No test waits longer than this for anything.
PATIENCE = 30.0


@dataclass(frozen=True)
class LiveServer:
    """A running server. `client` speaks to it over TCP."""

    app: FastAPI
    port: int
    client: httpx.Client
    listeners: Listeners

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def url_of(self, dialect: str) -> str:
        """The address of a dialect's own port, for a server with `listen=[{"dialect": …}]`."""
        return next(each.url for each in self.listeners.dialects if each.dialect == dialect)

    @property
    def service(self) -> GenerationService:
        """The service behind the API. It lives on the server's event loop."""
        service: GenerationService = self.app.state.service
        return service

    def submit(self, prompt: str = "red", **params: Any) -> str:
        """Submit a job and return its id."""
        answer = self.client.post("/api/generate", json={"prompt": prompt, **params})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["job_id"])

    def snapshot(self, job_id: str) -> dict[str, Any]:
        """The job as it is now."""
        answer = self.client.get(f"/api/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def finish(self, job_id: str) -> dict[str, Any]:
        """The job once it has ended."""
        until(lambda: self.snapshot(job_id)["status"] in ("completed", "failed", "cancelled"))
        return self.snapshot(job_id)

    def made(self, prompt: str = "red", **params: Any) -> dict[str, Any]:
        """Submit a job and wait for its end."""
        return self.finish(self.submit(prompt, **params))

    def open(self, path: str, **headers: str) -> EventReader:
        """Open an event stream on a socket of its own; reading starts with the first read."""
        return EventReader(self.port, path, headers)


class EventReader:
    """An event stream read line by line, so that tests see what is on the wire."""

    def __init__(self, port: int, path: str, headers: dict[str, str]) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        self._buffer = b""
        head = self._until(b"\r\n\r\n").decode().split("\r\n")
        self.status = int(head[0].split()[1])
        self.headers = httpx.Headers([_field(line) for line in head[1:] if line])
        self._text = b""

    def __enter__(self) -> EventReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def events(self) -> Iterator[dict[str, str]]:
        """Every event as its fields; comments are left out. Ends with the stream."""
        while (block := self._block()) is not None:
            lines = [line for line in block.split("\r\n") if not line.startswith(":")]
            if lines:
                yield dict(_field(line) for line in lines)

    def next(self) -> dict[str, str]:
        """The next event."""
        return next(self.events())

    def data(self) -> list[Any]:
        """The data of all events up to the end of the stream, as JSON."""
        return [json.loads(event["data"]) for event in self.events()]

    def _block(self) -> str | None:
        while b"\r\n\r\n" not in self._text:
            size = int(self._until(b"\r\n"), 16)
            if size == 0:
                return None
            self._text += self._exactly(size)
            self._exactly(2)
        block, _, self._text = self._text.partition(b"\r\n\r\n")
        return block.decode()

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            received = self._socket.recv(65536)
            assert received, "the connection broke off"
            self._buffer += received
        found, _, self._buffer = self._buffer.partition(mark)
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            received = self._socket.recv(65536)
            assert received, "the connection broke inside a chunk"
            self._buffer += received
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(": ")
    return name, value


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition to hold."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@contextmanager
def running(app: ASGIApp, settings: Settings, listeners: Listeners) -> Iterator[None]:
    """Serve an application in a thread, as the server itself would. It must know lifespans."""
    server = uvicorn.Server(configuration(app, settings))
    sockets = [each.socket for each in listeners]
    thread = threading.Thread(target=lambda: server.run(sockets=sockets), name="server")
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive())
        yield
    finally:
        # A server in a thread gets no signals; this is how sse-starlette learns of its end.
        AppStatus.should_exit = True
        server.should_exit = True
        thread.join()
        AppStatus.should_exit = False
        _forget_endpoints()


def _forget_endpoints() -> None:
    """Let go of the application: FastAPI remembers what it found out of each endpoint, and with the
    endpoint all that it belongs to, which the garbage collector would look through for good."""
    for known in vars(fastapi.dependencies.models).values():
        if callable(clear := getattr(known, "cache_clear", None)):
            clear()


@contextmanager
def live_server(data: Path, **settings: Any) -> Iterator[LiveServer]:
    """Serve on a free port with the torch-free family `colours`, its jobs in a thread. Dialects get
    ports of their own with `listen=[{"dialect": NAME, "port": 0}]`."""
    defaults: dict[str, Any] = {
        "port": 0,
        "executor": "inline",
        "device": "cpu",  # `auto` would import torch to look
        "plugin_folder": PLUGINS,
        "default_model": "colours",
        "preload": False,
    }
    wanted = Settings(data=data, **{**defaults, **settings})
    with listen(wanted) as listeners:
        app = create_app(wanted, ports=listeners.ports)
        url = listeners.main.url
        with (
            running(app, wanted, listeners),
            # Nothing here is encrypted, and reading all certificates takes long.
            httpx.Client(base_url=url, timeout=PATIENCE, verify=False) as client,
        ):
            yield LiveServer(app, listeners.main.port, client, listeners)


def conform(server: LiveServer, shape: str, value: Any) -> None:
    """Check a value against a schema of the server's own OpenAPI document."""
    document = server.client.get("/openapi.json").json()
    schema = {"$ref": f"#/components/schemas/{shape}", "components": document["components"]}
    Draft202012Validator(schema).validate(value)


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is this error, in the one shape."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body.keys() >= PROBLEM_FIELDS
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"] == f"/docs/errors#{code}"
    return body
