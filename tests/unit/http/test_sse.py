"""Streams as such: a place for each, and nothing piles up behind a slow reader."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sse_starlette import ServerSentEvent
from starlette.types import Message, Scope

from server.errors import TooManyStreams
from server.http import sse
from server.http.sse import EventStream, Streams

SCOPE: Scope = {"type": "http", "method": "GET", "headers": []}


async def numbers(taken: list[int]) -> AsyncIterator[ServerSentEvent]:
    for number in range(1000):
        taken.append(number)
        yield ServerSentEvent(str(number), id=str(number))


async def never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


def test_places_are_counted_and_given_back() -> None:
    streams = Streams(2)
    with streams.place():
        second, third = streams.place(), streams.place()
        with second, pytest.raises(TooManyStreams, match="2 event streams"):
            third.__enter__()
        assert streams.open == 1
    assert streams.open == 0


async def test_events_go_out_as_they_are() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await EventStream(numbers([]), Streams(1))(SCOPE, never, send)
    headers = dict(sent[0]["headers"])
    assert headers[b"content-type"].startswith(b"text/event-stream")
    assert headers[b"cache-control"] == b"no-store"
    assert headers[b"x-accel-buffering"] == b"no"
    assert sent[1]["body"] == b"id: 0\r\ndata: 0\r\n\r\n"
    assert len(sent) == 1002


async def test_the_next_event_is_asked_for_when_the_last_is_sent() -> None:
    taken: list[int] = []
    room = asyncio.Semaphore(3)

    async def send(message: Message) -> None:
        await room.acquire()

    stream = asyncio.create_task(EventStream(numbers(taken), Streams(1))(SCOPE, never, send))
    await asyncio.sleep(0.05)
    assert taken == [0, 1, 2]  # the head and two events went out, the third waits
    stream.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stream


async def test_a_reader_that_is_gone_loses_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "SEND_TIMEOUT", 0.05)
    streams = Streams(1)

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    await EventStream(numbers([]), streams)(SCOPE, never, send)
    assert streams.open == 0


async def test_a_silent_stream_gets_pings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "PING_INTERVAL", 0.01)
    sent: list[Any] = []
    pinged = asyncio.Event()

    async def send(message: Message) -> None:
        sent.append(message)
        if message.get("body", b"").startswith(b": ping"):
            pinged.set()

    async def silence() -> AsyncIterator[ServerSentEvent]:
        await pinged.wait()
        yield ServerSentEvent("x")

    await EventStream(silence(), Streams(1))(SCOPE, never, send)
    assert sent[1]["body"].startswith(b": ping")
