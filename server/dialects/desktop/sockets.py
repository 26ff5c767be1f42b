"""`/ws/generation`: the progress of every job, to everybody who listens."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from server.dialects.desktop.translate import progress
from server.snapshots import JobSnapshot

#: The server stops; clients may come again.
GOING_AWAY = 1001


async def broadcast(websocket: WebSocket, snapshots: AsyncIterator[JobSnapshot]) -> None:
    """Send the progress of jobs to an open socket until its client leaves or the server stops.

    What the client sends is read and dropped. One that reads slowly skips messages: the next is
    made when the last has been handed to the connection.
    """
    sending = asyncio.create_task(_send(websocket, _changes(snapshots)))
    leaving = asyncio.create_task(_left(websocket))
    try:
        await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (sending, leaving):
            task.cancel()
        await asyncio.gather(sending, leaving, return_exceptions=True)
    if not sending.cancelled():
        # The client went away in the middle of a message, or there are no more.
        with contextlib.suppress(WebSocketDisconnect):
            sending.result()
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # it is closed already
        await websocket.close(GOING_AWAY)


async def _send(websocket: WebSocket, messages: AsyncGenerator[dict[str, Any]]) -> None:
    async with aclosing(messages):
        async for message in messages:
            await websocket.send_json(message)


async def _changes(snapshots: AsyncIterator[JobSnapshot]) -> AsyncGenerator[dict[str, Any]]:
    """What there is to say of the jobs; a new preview alone is nothing new here."""
    last: dict[str, dict[str, Any]] = {}
    async for snapshot in snapshots:
        message = progress(snapshot)
        if last.get(snapshot.job_id) != message:
            last[snapshot.job_id] = message
            yield message
        if snapshot.status.ended:
            last.pop(snapshot.job_id, None)


async def _left(websocket: WebSocket) -> None:
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass
