"""From an exception in the worker to what its job fails with."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError

from server.errors import GenerationFailed, JobFailure, OutOfMemory, PluginFailed
from server.snapshots import TaskFailed
from server.wording import describe


def failure(error: BaseException) -> TaskFailed:
    """The last message of a task that `error` ended.

    `fault` is set when it shows a plugin breaking its promise.
    """
    text = describe(error)
    if is_out_of_memory(error):
        advice = "Ask for a smaller image, or free the device's memory."
        return TaskFailed(OutOfMemory.code, f"The device's memory did not suffice. {advice} {text}")
    if isinstance(error, PluginFailed):
        return TaskFailed(error.code, error.message, fault=error.message)
    if isinstance(error, JobFailure):
        return TaskFailed(error.code, error.message)
    if isinstance(error, ValidationError):
        return TaskFailed(PluginFailed.code, f"The worker does not accept the task: {text}")
    return TaskFailed(GenerationFailed.code, text, fault=f"Generating raised {text}")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on the device or on the host.

    torch's exceptions are known by name, since tests and the server run this without torch; on
    the CPU torch raises a RuntimeError that only its words tell apart.
    """
    return any(
        isinstance(cause, MemoryError)
        or type(cause).__name__ == "OutOfMemoryError"
        or "DefaultCPUAllocator" in str(cause)
        for cause in _causes(error)
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
