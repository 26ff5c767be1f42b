"""How far a download is, and how fast."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from server.source_errors import SourceUnreachable
from server.sources.manifest import RemoteFile

#: Bytes per second below which a file is given up, for it would take weeks.
LEAST_SPEED = 4096

#: Seconds over which they are counted.
PATIENCE = 60.0

#: Called with the bytes that are there and those in all (None: not known), often.
Listener = Callable[[int, int | None], None]


class Tally:
    """Adds up the files of a download for a listener."""

    def __init__(self, files: Iterable[RemoteFile], listener: Listener) -> None:
        self._sizes = {file.path: file.size for file in files}
        self._there: dict[str, int] = {}
        self._listener = listener

    def update(self, path: str, there: int, size: int | None = None) -> None:
        """File `path` has `there` bytes, of `size` in all when that is known better now."""
        self._there[path] = there
        if size is not None:
            self._sizes[path] = size
        sizes = self._sizes.values()
        total = None if None in sizes else sum(size or 0 for size in sizes)
        self._listener(sum(self._there.values()), total)


class Pace:
    """Gives a file up that hardly comes. Pauses between its connections do not count."""

    def __init__(self) -> None:
        self._seconds, self._bytes = 0.0, 0
        self._since = 0.0
        self._host = ""

    @contextmanager
    def running(self, host: str) -> Iterator[None]:
        """Count the seconds meanwhile."""
        self._since, self._host = time.monotonic(), host
        try:
            yield
        finally:
            self._count(0)

    def note(self, size: int) -> None:
        """So many bytes have come.

        Raises:
            SourceUnreachable: they are too few for the time.
        """
        self._count(size)
        if self._seconds < PATIENCE:
            return
        if self._bytes < LEAST_SPEED * self._seconds:
            raise SourceUnreachable(
                f"{self._host} sends less than {LEAST_SPEED} bytes a second. Try again later, or "
                "name another source: what was downloaded is kept."
            )
        self._seconds, self._bytes = 0.0, 0

    def _count(self, size: int) -> None:
        now = time.monotonic()
        self._seconds += now - self._since
        self._bytes += size
        self._since = now


class Speed:
    """Bytes per second over the last seconds."""

    def __init__(self, window: float = 5.0) -> None:
        """`window` is the seconds to look back."""
        self._window = window
        self._seen: deque[tuple[float, int]] = deque()

    def update(self, there: int, now: float) -> float | None:
        """The speed at second `now`, when `there` bytes are there; None: too early to tell."""
        if self._seen and there < self._seen[-1][1]:
            self._seen.clear()  # a file began anew
        self._seen.append((now, there))
        while len(self._seen) > 2 and self._seen[1][0] <= now - self._window:
            self._seen.popleft()
        began, first = self._seen[0]
        return (there - first) / (now - began) if now > began else None
