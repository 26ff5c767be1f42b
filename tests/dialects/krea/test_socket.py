"""The socket: several images at once, errors that close nothing, and clients that leave."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from server.dialects.krea.sockets import MAX_MESSAGE, MOST_UNFINISHED
from tests.dialects.krea.asking import (
    Address,
    heard,
    on_main_port,
    others,
    picture,
    until_answered,
    wish,
)
from tests.plugins.colours import left_edge
from tests.serving import LiveServer, live_server, until

COLOURS = {"a": "red", "b": "green", "c": "blue"}


def jobs(server: LiveServer) -> list[dict[str, Any]]:
    """Every job, the newest first."""
    found: list[dict[str, Any]] = server.client.get("/api/jobs").json()["jobs"]
    return found


def test_images_under_way_at_once_are_told_apart(api: Address, slowly: LiveServer) -> None:
    with api.socket() as socket:
        for name, colour in COLOURS.items():
            wish(socket, colour, id=name)
        messages = until_answered(socket, len(COLOURS))
    of_each = defaultdict(list)
    for message in messages:
        of_each[message["id"]].append(message)
    assert of_each.keys() == COLOURS.keys()
    for name, colour in COLOURS.items():
        *progress, complete = of_each[name]
        assert complete["type"] == "complete"
        assert picture(complete["data"]["image"]).getpixel((0, 0)) == left_edge(colour)
        steps = [message["data"]["step"] for message in progress]
        assert steps == sorted(set(steps)), "each step once, in order"
        assert steps
        for message in progress:
            told = message["data"]
            assert told["total_steps"] == 20
            assert told["percentage"] == told["step"] * 5


def test_one_after_the_other_without_ids(main: Address) -> None:
    with main.socket() as socket:
        for colour in COLOURS.values():
            wish(socket, colour)
            complete = until_answered(socket)[-1]
            assert complete.keys() == {"type", "data"}
            assert complete["data"].keys() == {"image", "duration"}
            assert picture(complete["data"]["image"]).getpixel((0, 0)) == left_edge(colour)


def test_ids_are_repeated_where_they_stood(main: Address) -> None:
    with main.socket() as socket:
        socket.send(json.dumps({"type": "generate", "id": 7, "data": {"id": "inner", "steps": 1}}))
        refused = heard(socket)
        socket.send(json.dumps({"type": "generate", "id": {}, "data": {"id": True}}))
        ignored = heard(socket)
    assert (refused["id"], refused["data"]["id"]) == (7, "inner")
    assert "id" not in ignored
    assert "id" not in ignored["data"]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("{", "JSON"),
        ("[]", "JSON object"),
        (b"\xff", "UTF-8"),
        ("[" * 9999, "nested"),
        ('{"data": {}}', "type"),
        ('{"type": "stop", "data": {}}', "stop"),
        ('{"type": ["generate"], "data": {}}', "type"),
        ('{"type": "generate"}', "data"),
        ('{"type": "generate", "data": []}', "data"),
        ('{"type": "generate", "data": {}}', "prompt"),
        ('{"type": "generate", "data": {"prompt": "red", "steps": 51}}', "steps"),
        ('{"type": "generate", "data": {"prompt": "raise"}}', "asked to raise"),
        (" " * (MAX_MESSAGE + 1), "larger"),
    ],
)
def test_an_error_closes_nothing(main: Address, message: str | bytes, said: str) -> None:
    with main.socket() as socket:
        socket.send(message)
        refused = others(until_answered(socket))[0]
        assert refused.keys() == {"type", "data"}
        assert refused["type"] == "error"
        assert refused["data"].keys() == {"error"}
        assert said in refused["data"]["error"]
        wish(socket, "red")
        assert until_answered(socket)[-1]["type"] == "complete"


def test_frames_of_bytes_are_read_too(main: Address) -> None:
    with main.socket() as socket:
        socket.send(json.dumps({"type": "generate", "data": {"prompt": "red"}}).encode())
        assert until_answered(socket)[-1]["type"] == "complete"


def test_a_huge_frame_closes_its_socket_alone(main: Address) -> None:
    with main.socket() as socket, main.socket() as other:
        with pytest.raises(ConnectionClosed):
            socket.send("x" * (16 * 2**20 + 1))
            socket.recv(30)
        wish(other, "red")
        assert until_answered(other)[-1]["type"] == "complete"


def test_images_of_one_socket_are_limited_and_left_with_it(
    main: Address, server: LiveServer
) -> None:
    server.client.post("/api/queue/pause")
    with main.socket() as socket:
        for number in range(MOST_UNFINISHED + 1):
            wish(socket, "red", id=number)
        refused = heard(socket)
        assert (refused["type"], refused["id"]) == ("error", MOST_UNFINISHED)
        assert str(MOST_UNFINISHED) in refused["data"]["error"]
        waiting = [job["job_id"] for job in jobs(server) if job["status"] == "queued"]
        assert len(waiting) == MOST_UNFINISHED
    until(lambda: all(server.snapshot(job)["status"] == "cancelled" for job in waiting))
    server.client.post("/api/queue/resume")
    assert server.made("red")["status"] == "completed"


def test_what_runs_goes_on_when_the_socket_closes(main: Address, slowly: LiveServer) -> None:
    with main.socket() as socket:
        wish(socket, "red")
        wish(socket, "green")
        assert heard(socket)["type"] == "progress"
        queued, running = [job["job_id"] for job in jobs(slowly)[:2]]
    assert slowly.finish(running)["status"] == "completed"
    assert slowly.finish(queued)["status"] == "cancelled"


def test_a_generation_that_is_cancelled_is_an_error(main: Address, slowly: LiveServer) -> None:
    with main.socket() as socket:
        wish(socket, "red", id=1)
        assert heard(socket)["type"] == "progress"
        slowly.client.post(f"/api/jobs/{jobs(slowly)[0]['job_id']}/cancel")
        answer = until_answered(socket)[-1]
    assert answer == {"type": "error", "id": 1, "data": {"error": "The generation was cancelled."}}


def test_too_many_sockets_and_too_long_a_wait(tmp_path: Any) -> None:
    narrow = {"max_streams": 1, "on_start": "pause", "generation_timeout": 0.2}
    with live_server(tmp_path / "data", **narrow) as running:
        address = on_main_port(running)
        with address.socket() as socket:
            with pytest.raises(Exception, match="503"):
                address.socket()
            wish(socket, "red")
            answer = heard(socket)
            assert answer["type"] == "error"
            assert "generation_timeout" in answer["data"]["error"]
            assert jobs(running)[0]["status"] == "cancelled"
        until(lambda: running.app.state.streams.open == 0)
