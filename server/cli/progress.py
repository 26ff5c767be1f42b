"""A job's progress on standard error: a live bar on a terminal, else a line per change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Protocol, Self

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from server.cli.console import err
from server.snapshots import JobSnapshot
from server.sources.progress import Listener


class Display(Protocol):
    """Shows snapshots while it is entered."""

    def __enter__(self) -> Self:
        """Begin to show."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Show no more."""

    def show(self, snapshot: JobSnapshot) -> None:
        """Show how far the job is."""


def display() -> Display:
    """The display that suits standard error."""
    return Bar() if err.is_terminal else Lines()


class Bar:
    """One line that is drawn anew, with the step and the seconds left."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[detail]}"),
            console=err,
            transient=True,
            redirect_stdout=False,  # or the paths would go to standard error
        )
        self._task = self._progress.add_task("submitting", total=1.0, detail="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def show(self, snapshot: JobSnapshot) -> None:
        """See `Display.show`."""
        self._progress.update(
            self._task,
            completed=snapshot.progress,
            description=describe(snapshot),
            detail=_detail(snapshot),
        )


class Lines:
    """A line whenever the phase or the image changes, for logs and pipes."""

    def __init__(self) -> None:
        self._last = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def show(self, snapshot: JobSnapshot) -> None:
        """See `Display.show`."""
        words = describe(snapshot)
        if words != self._last:
            err.print(words)
        self._last = words


def describe(snapshot: JobSnapshot) -> str:
    """What the job does, in words that stay the same from step to step."""
    if snapshot.phase is None:
        if snapshot.queue_position is not None:
            return f"queued at position {snapshot.queue_position}"
        return snapshot.status.value
    if snapshot.phase == "loading":
        return f"loading {snapshot.model}"
    if snapshot.image_index is None or snapshot.num_images == 1:
        return snapshot.phase
    return f"{snapshot.phase} image {snapshot.image_index + 1} of {snapshot.num_images}"


def _detail(snapshot: JobSnapshot) -> str:
    parts = []
    if snapshot.step is not None and snapshot.total_steps is not None:
        parts.append(f"step {snapshot.step}/{snapshot.total_steps}")
    if snapshot.eta_seconds is not None:
        parts.append(f"{snapshot.eta_seconds:.0f} s left")
    return ", ".join(parts)


@contextmanager
def download_bar(name: str) -> Iterator[Listener]:
    """A bar for a download; what it gives takes the bytes that are there and those in all."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, redirect_stdout=False) as progress:
        task = progress.add_task(name, total=None)

        def show(there: int, total: int | None) -> None:
            progress.update(task, completed=there, total=total)

        yield show
