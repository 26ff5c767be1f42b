"""Connections: clients that are slow to ask, and those that wait."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from server.config import Settings
from server.http.body_timeout import BodyTimeout
from server.listeners import listen
from tests.serving import PATIENCE, running

#: Seconds that the server under test waits for headers, and for more of a body.
TIMEOUT = 1.0

HEAD = b"POST /size HTTP/1.1\r\nHost: localhost\r\n"


async def size(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def mask(request: Request) -> Response:
    """What frameworks do: any error of reading becomes an answer of theirs."""
    try:
        return await size(request)
    except Exception:  # noqa: BLE001 - that is what is tested
        return PlainTextResponse("masked", 400)


async def early(request: Request) -> Response:
    return PlainTextResponse("early")


async def late(request: Request) -> Response:
    await asyncio.sleep(1.5 * TIMEOUT)
    return PlainTextResponse("late")


async def stream(request: Request) -> Response:
    async def events() -> AsyncIterator[ServerSentEvent]:
        yield ServerSentEvent("first")
        await asyncio.sleep(1.5 * TIMEOUT)
        yield ServerSentEvent("last")

    return EventSourceResponse(events())


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    try:
        while True:
            await websocket.send_text(await websocket.receive_text())
    except WebSocketDisconnect:
        return


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    routes: list[Any] = [WebSocketRoute("/echo", echo)]
    for answer in (size, mask, early, late, stream):
        routes.append(Route(f"/{answer.__name__}", answer, methods=["GET", "POST"]))
    app = Starlette(routes=routes)
    app.add_middleware(BodyTimeout, seconds=TIMEOUT)
    settings = Settings(
        port=0, header_timeout=TIMEOUT, body_timeout=TIMEOUT, max_body_bytes=64 * 1024
    )
    with listen(settings) as listeners, running(app, settings, listeners):
        yield listeners.main.url


def opened(url: str) -> closing[socket.socket]:
    host, port = url.removeprefix("http://").split(":")
    return closing(socket.create_connection((host, int(port)), timeout=PATIENCE))


def last_words(connection: socket.socket, dribble: bytes = b"") -> bytes:
    """What the server says until it closes, while `dribble` is sent again and again."""
    said = b""
    deadline = time.monotonic() + PATIENCE
    connection.settimeout(TIMEOUT / 6 if dribble else PATIENCE)
    while time.monotonic() < deadline:
        try:
            received = connection.recv(65536)
            if not received:
                return said
            said += received
        except TimeoutError:
            connection.sendall(dribble)
        except ConnectionError:  # it was closed while we were sending
            return said
    raise AssertionError(f"the connection stays open: {said!r}")


def answered(connection: socket.socket) -> bytes:
    """What the server says, up to a body of one byte."""
    said = b""
    while not said.partition(b"\r\n\r\n")[2]:
        received = connection.recv(65536)
        assert received, said
        said += received
    return said


def problem(said: bytes) -> tuple[int, str]:
    """Status and code of an answer."""
    head, _, body = said.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    assert b"connection: close" in head.lower()
    return int(head.split()[1]), str(json.loads(body)["code"])


# --- headers -------------------------------------------------------------------------------


def test_headers_that_never_end_are_answered_and_the_connection_closes(url: str) -> None:
    with opened(url) as connection:
        connection.sendall(HEAD + b"X-Slow: ")
        said = last_words(connection, b"a")
    assert problem(said) == (408, "request_timeout")


def test_a_connection_that_says_nothing_is_closed_without_a_word(url: str) -> None:
    with opened(url) as connection:
        assert last_words(connection) == b""


def test_the_second_request_of_a_connection_is_timed_too(url: str) -> None:
    with opened(url) as connection:
        connection.sendall(HEAD + b"Content-Length: 2\r\n\r\nab")
        first = answered(connection)
        assert first.startswith(b"HTTP/1.1 200") and first.endswith(b"2")
        connection.sendall(HEAD)
        assert problem(last_words(connection)) == (408, "request_timeout")


def test_a_connection_may_idle_between_requests(url: str) -> None:
    with opened(url) as connection:
        for _ in range(2):
            connection.sendall(HEAD + b"Content-Length: 2\r\n\r\nab")
            assert answered(connection).startswith(b"HTTP/1.1 200")
            time.sleep(1.5 * TIMEOUT)


def test_what_is_not_http_is_answered_as_a_problem(url: str) -> None:
    with opened(url) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert problem(last_words(connection)) == (400, "malformed_request")


def test_a_body_that_is_not_http_ends_the_request(url: str) -> None:
    with opened(url) as connection:
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n")
        assert problem(last_words(connection)) == (400, "malformed_request")


def test_a_request_with_two_lengths_is_refused_and_what_follows_not_read(url: str) -> None:
    with opened(url) as connection:
        lengths = b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(HEAD + lengths + b"0\r\n\r\n" + HEAD + b"\r\n")
        said = last_words(connection)
    assert problem(said) == (400, "malformed_request")
    assert said.count(b"HTTP/1.1") == 1


# --- bodies --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [b"/size", b"/mask"])
def test_a_body_that_pauses_is_answered_and_the_connection_closes(url: str, path: bytes) -> None:
    with opened(url) as connection:
        connection.sendall(HEAD.replace(b"/size", path) + b"Content-Length: 9\r\n\r\nabc")
        assert problem(last_words(connection)) == (408, "request_timeout")


def test_a_slow_body_may_take_its_time(url: str) -> None:
    with opened(url) as connection:
        connection.sendall(HEAD + b"Content-Length: 8\r\n\r\n")
        for _ in range(8):
            time.sleep(TIMEOUT / 5)
            connection.sendall(b"a")
        assert answered(connection).endswith(b"8")


def test_the_rest_of_a_body_that_is_answered_already_is_not_waited_for(url: str) -> None:
    with opened(url) as connection:
        connection.sendall(HEAD.replace(b"/size", b"/early") + b"Content-Length: 9999\r\n\r\na")
        said = last_words(connection, b"a")
    assert said.startswith(b"HTTP/1.1 200")
    assert said.endswith(b"early")


# --- who waits -----------------------------------------------------------------------------


def test_an_answer_may_take_longer_than_a_request(url: str) -> None:
    assert httpx.post(f"{url}/late", content=b"abc", timeout=PATIENCE).text == "late"


def test_a_stream_may_be_silent(url: str) -> None:
    text = httpx.get(f"{url}/stream", timeout=PATIENCE).text
    assert [line for line in text.split("\r\n") if line] == ["data: first", "data: last"]


def test_a_websocket_may_be_silent(url: str) -> None:
    with connect(f"{url.replace('http', 'ws')}/echo") as websocket:
        time.sleep(1.5 * TIMEOUT)
        websocket.send("still here")
        assert websocket.recv(PATIENCE) == "still here"


def test_a_message_over_the_limit_ends_the_websocket(url: str) -> None:
    with connect(f"{url.replace('http', 'ws')}/echo") as websocket:
        websocket.send("a" * 64 * 1024)
        assert websocket.recv(PATIENCE) == "a" * 64 * 1024
        websocket.send("a" * (64 * 1024 + 1))
        with pytest.raises(ConnectionClosedError) as raised:
            websocket.recv(PATIENCE)
    assert raised.value.rcvd is not None
    assert raised.value.rcvd.code == 1009
