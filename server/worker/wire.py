"""Frames between the server and its worker: a JSON head, then the message's bytes untouched.

A frame is two unsigned 32-bit big-endian lengths (head, tail), the head as JSON
`[type name, {field: value}, [[field, length], …]]`, and the tail: the values of the message's
`bytes` fields one after the other, as the third list says. Nothing else crosses the boundary:
no pickle, and no text that some library printed.
"""

from __future__ import annotations

import asyncio
import json
import struct
from dataclasses import fields
from typing import Any, BinaryIO

from server import snapshots
from server.snapshots import Command, WorkerMessage

LENGTHS = struct.Struct(">II")

#: No honest frame is larger: ten 2048 x 2048 images fit into one many times over.
MAX_FRAME = 512 * 1024 * 1024

Message = Command | WorkerMessage


class ProtocolError(Exception):
    """The other side sent something that is not a frame."""


def encode(message: Message) -> bytes:
    """The frame of `message`."""
    values: dict[str, Any] = {}
    blobs: list[tuple[str, bytes]] = []
    for item in fields(message):
        value = getattr(message, item.name)
        if isinstance(value, bytes):
            blobs.append((item.name, value))
        else:
            values[item.name] = value
    layout = [[name, len(blob)] for name, blob in blobs]
    head = json.dumps([type(message).__name__, values, layout]).encode()
    tail = b"".join(blob for _, blob in blobs)
    return LENGTHS.pack(len(head), len(tail)) + head + tail


def read(stream: BinaryIO) -> Message | None:
    """The next message, None at the end of the stream. Blocks.

    Raises:
        ProtocolError: what came is not a frame, or ended inside one.
    """
    lengths = stream.read(LENGTHS.size)
    if not lengths:
        return None
    if len(lengths) < LENGTHS.size:
        raise ProtocolError("the stream ended inside a frame")
    head, tail = _sizes(lengths)
    body = stream.read(head + tail)
    if len(body) < head + tail:
        raise ProtocolError("the stream ended inside a frame")
    return _decode(body[:head], body[head:])


async def receive(stream: asyncio.StreamReader) -> Message | None:
    """Like `read`, on the event loop; a frame cut short by the sender's death counts as the end."""
    try:
        head, tail = _sizes(await stream.readexactly(LENGTHS.size))
        body = await stream.readexactly(head + tail)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return _decode(body[:head], body[head:])


def _sizes(lengths: bytes) -> tuple[int, int]:
    head, tail = LENGTHS.unpack(lengths)
    if head + tail > MAX_FRAME:
        raise ProtocolError(f"a frame of {head + tail} bytes is over the limit of {MAX_FRAME}")
    return head, tail


def _decode(head: bytes, tail: bytes) -> Message:
    try:
        name, values, layout = json.loads(head)
        start = 0
        for field, length in layout:
            values[field] = tail[start : start + length]
            start += length
        message: Message = MESSAGES[name](**values)
    except (ValueError, TypeError, KeyError) as error:
        raise ProtocolError(f"not a message: {head[:200]!r}") from error
    return message


#: Every message class by name.
MESSAGES: dict[str, Any] = {
    cls.__name__: cls for cls in (*snapshots.Command.__args__, *snapshots.WorkerMessage.__args__)
}
