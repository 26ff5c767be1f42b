"""`/ws/generation`: who is told what, and what clients may do to it."""

from __future__ import annotations

import json
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from socket import SHUT_RDWR
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.serving import PATIENCE, LiveServer, live_server, until


@pytest.fixture(autouse=True)
def room(server: LiveServer) -> None:
    """The places of the test before are free: the server learns a moment later that a socket is
    closed."""
    until(lambda: server.app.state.streams.open == 0)


def listening(server: LiveServer, **options: Any) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{server.port}/ws/generation", **options)


def messages(socket: ClientConnection, task: str) -> list[dict[str, Any]]:
    """What is said of a task, to its end."""
    found: list[dict[str, Any]] = []
    while not found or found[-1]["status"] not in ("completed", "failed"):
        message = json.loads(socket.recv(timeout=PATIENCE))
        found += [message] if message["taskId"] == task else []
    return found


def test_everybody_is_told_of_every_job(server: LiveServer) -> None:
    with listening(server) as one, listening(server) as other:
        task = server.submit("hills", steps=20)
        told = [messages(socket, task) for socket in (one, other)]
    for each in told:
        assert (each[0]["status"], each[0]["progress"]) == ("queued", 0)
        assert (each[-1]["status"], each[-1]["progress"]) == ("completed", 100)
        assert {message["status"] for message in each[1:-1]} == {"generating"}
        numbers = [message["progress"] for message in each]
        assert numbers == sorted(numbers)
        assert all(one != next_ for one, next_ in pairwise(each))


def test_a_job_that_fails_and_one_that_is_cancelled(server: LiveServer) -> None:
    with listening(server) as socket:
        assert messages(socket, server.submit("raise"))[-1]["status"] == "failed"
        task = server.submit("hills", delay=0.1, steps=100)
        until(lambda: server.snapshot(task)["status"] == "processing")
        server.client.post(f"/api/jobs/{task}/cancel")
        last = messages(socket, task)[-1]
    assert last["status"] == "failed" and last["progress"] < 100


def test_whoever_comes_later_is_told_of_what_runs(server: LiveServer) -> None:
    task = server.submit("hills", delay=0.1, steps=100)
    until(lambda: server.snapshot(task)["status"] == "processing")
    with listening(server) as socket:
        assert json.loads(socket.recv(timeout=PATIENCE))["taskId"] == task
        server.client.post(f"/api/jobs/{task}/cancel")
        assert messages(socket, task)[-1]["status"] == "failed"


def test_there_is_room_for_so_many(server: LiveServer) -> None:
    with listening(server), listening(server), pytest.raises(InvalidStatus) as refused:
        listening(server)
    answer = refused.value.response
    assert answer.status_code == 503 and int(answer.headers["retry-after"]) > 0
    assert json.loads(answer.body or b"")["success"] is False
    until(lambda: server.app.state.streams.open == 0)
    with listening(server) as socket:
        assert messages(socket, server.submit("hills"))[-1]["status"] == "completed"


def test_what_clients_send_is_dropped(server: LiveServer) -> None:
    with listening(server) as socket:
        for noise in ("{", "null", b"\xff\x00", "x" * 150_000, '{"type": "cancel"}'):
            socket.send(noise)
        assert messages(socket, server.submit("hills"))[-1]["status"] == "completed"


def test_a_frame_that_is_too_large_ends_its_socket_alone(server: LiveServer) -> None:
    with listening(server) as socket, listening(server) as other:
        socket.send("x" * 250_000)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=PATIENCE)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1009
        assert messages(other, server.submit("hills"))[-1]["status"] == "completed"


def test_a_client_that_goes_away_in_the_middle_takes_its_place_with_it(server: LiveServer) -> None:
    task = server.submit("hills", delay=0.05, steps=100)
    with listening(server) as socket:
        socket.recv(timeout=PATIENCE)
        socket.socket.shutdown(SHUT_RDWR)  # without a word
        until(lambda: server.app.state.streams.open == 0)
    server.client.post(f"/api/jobs/{task}/cancel")
    assert server.finish(task)["status"] == "cancelled"


def test_a_foreign_page_may_not_listen(server: LiveServer) -> None:
    with pytest.raises(InvalidStatus) as refused:
        listening(server, origin="https://evil.example.org")
    assert refused.value.response.status_code == 403


def test_the_end_of_the_server_is_an_end(tmp_path: Path) -> None:
    with ExitStack() as stack:
        with live_server(tmp_path / "data") as running:
            socket = stack.enter_context(listening(running))
            assert messages(socket, running.submit("hills"))[-1]["status"] == "completed"
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=PATIENCE)
    assert closed.value.rcvd is not None and closed.value.rcvd.code in (1001, 1012)
