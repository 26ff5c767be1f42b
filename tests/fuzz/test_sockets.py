"""Sockets bear whatever comes through them: nothing ends the server, or somebody's picture."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.fuzz.documents import Document, start
from tests.servers import PATIENCE, ServerProcess

KREA, DESKTOP = "/krea/ws", "/ws/generation"

#: Frames of more bytes than any picture has.
HUGE = 40 * 1024 * 1024

FEW, MANY = 100, 2000

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)

#: What is nearly right: the words of the API with any values.
NEARLY = st.fixed_dictionaries(
    {"type": st.just("generate") | JSON},
    optional={
        "data": JSON
        | st.dictionaries(
            st.sampled_from(["prompt", "steps", "cfg_scale", "seed", "width", "height"]), JSON
        ),
        "id": JSON,
    },
)

MESSAGES = st.text() | st.binary() | JSON.map(json.dumps) | NEARLY.map(json.dumps)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DARKROOM_EXECUTOR", "inline")
        with start(tmp_path_factory.mktemp("sockets"), Document("krea")) as running:
            yield running


def opened(server: ServerProcess, path: str) -> ClientConnection:
    address = server.url.replace("http", "ws", 1) + path
    return connect(address, max_size=None, open_timeout=PATIENCE)


def answer(socket: ClientConnection) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(socket.recv(timeout=PATIENCE))
    return found


def picture_through(socket: ClientConnection) -> dict[str, Any]:
    """A picture that is asked for properly; whatever else is on its way is passed over."""
    socket.send(json.dumps({"type": "generate", "data": {"prompt": "the last one"}, "id": "last"}))
    while (found := answer(socket)).get("id") != "last" or found["type"] == "progress":
        pass
    return found


@pytest.mark.parametrize("examples", [FEW, pytest.param(MANY, marks=pytest.mark.soak)])
def test_any_message_is_answered_and_the_socket_stays_open(
    server: ServerProcess, examples: int
) -> None:
    with opened(server, KREA) as socket:

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(MESSAGES)
        def say(message: str | bytes) -> None:
            if isinstance(message, str) and not _is_sendable(message):
                return
            socket.send(message)
            found = answer(socket)
            while found["type"] == "progress":
                found = answer(socket)
            assert found["type"] in ("error", "complete")

        say()
        assert picture_through(socket)["type"] == "complete"


@pytest.mark.parametrize("path", [KREA, DESKTOP])
def test_a_huge_frame_closes_its_own_socket_alone(server: ServerProcess, path: str) -> None:
    with opened(server, KREA) as other, opened(server, path) as socket:
        with pytest.raises(ConnectionClosed) as closed:
            socket.send(b"x" * HUGE)
            while True:
                socket.recv(timeout=PATIENCE)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009, "message too big"
        assert picture_through(other)["type"] == "complete"


def test_clients_that_leave_early_leave_nothing_behind(server: ServerProcess) -> None:
    body = json.dumps({"type": "generate", "data": {"prompt": "nobody waits for this"}})
    for _ in range(20):
        with opened(server, KREA) as socket:
            socket.send(body)
        with opened(server, DESKTOP):
            pass
    with opened(server, KREA) as socket:
        assert picture_through(socket)["type"] == "complete"
    queue = server.get("/api/queue")
    assert (queue["pending"], queue["running"], queue["failed"]) == (0, 0, 0)


def _is_sendable(text: str) -> bool:
    """Half a surrogate pair is no text on a wire."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)
