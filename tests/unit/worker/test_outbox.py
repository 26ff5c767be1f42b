"""The outbox: order, newest wins, never blocks, flushes."""

from __future__ import annotations

import io
import os

from server.snapshots import (
    ImageReady,
    PhaseChanged,
    PreviewReady,
    StepDone,
    TaskFinished,
    WorkerMessage,
)
from server.worker import wire
from server.worker.outbox import Outbox

#: More than a pipe holds, so that the sender blocks on it until somebody reads.
BIG = ImageReady(0, 1, 1, 0.0, b"p" * 1_000_000, b"t")


def sent(messages: list[WorkerMessage]) -> list[wire.Message]:
    """What arrives when all is put before the reader begins to read."""
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as reader, os.fdopen(write_end, "wb") as writer:
        outbox = Outbox(writer)
        for message in messages:
            outbox.put(message)
        return [message for _ in range(_expected(messages)) if (message := wire.read(reader))]


def _expected(messages: list[WorkerMessage]) -> int:
    musts = [message for message in messages if not isinstance(message, StepDone | PreviewReady)]
    droppable = {type(message) for message in messages if message not in musts}
    return len(musts) + len(droppable)


def test_messages_that_must_arrive_do_so_in_order() -> None:
    messages: list[WorkerMessage] = [BIG, *(PhaseChanged(str(n)) for n in range(100))]
    assert sent(messages) == messages


def test_of_steps_and_previews_a_slow_reader_gets_the_newest() -> None:
    messages: list[WorkerMessage] = [BIG]
    for step in range(1, 1001):
        messages += [StepDone(1, step, 1000), PreviewReady(1, bytes([step % 256]))]
    assert sent(messages) == [BIG, StepDone(1, 1000, 1000), PreviewReady(1, bytes([1000 % 256]))]


def test_no_step_or_preview_comes_after_the_image_it_precedes() -> None:
    after = ImageReady(1, 1, 1, 0.0, b"", b"")
    messages = [BIG, StepDone(1, 1, 1), PreviewReady(1, b"j"), after, StepDone(2, 1, 1)]
    assert sent(messages) == [BIG, PreviewReady(1, b"j"), after, StepDone(2, 1, 1)]


def test_closing_sends_what_waits() -> None:
    stream = io.BytesIO()
    outbox = Outbox(stream)
    outbox.put(StepDone(0, 1, 2))
    outbox.put(TaskFinished())
    outbox.close()
    stream.seek(0)
    assert [wire.read(stream), wire.read(stream)] == [StepDone(0, 1, 2), TaskFinished()]
    assert wire.read(stream) is None


class Gone(io.BytesIO):
    """A pipe whose reader has ended."""

    def write(self, data: object) -> int:
        raise BrokenPipeError


def test_a_reader_that_is_gone_blocks_nobody() -> None:
    outbox = Outbox(Gone())
    outbox.put(BIG)
    outbox.put(TaskFinished())
    outbox.close()
    assert not outbox._thread.is_alive() and not outbox._waiting
