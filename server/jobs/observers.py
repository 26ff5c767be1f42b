"""Tells plugins what happened, on a thread of its own: no observer holds up a job or a stop."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

from server.plugins.manager import PluginManager
from server.plugins.types import FinishedJob, NewImage

log = logging.getLogger(__name__)

#: News that may wait for slow observers; what comes beyond is not told.
MAX_NEWS = 1000

#: Seconds that observers get for what waits when the server stops.
CLOSE_LIMIT = 1.0


class Observers:
    """The plugins' `job_finished` and `image_added`, called in the order of events."""

    def __init__(self, plugins: PluginManager) -> None:
        self._plugins = plugins
        self._news: queue.Queue[Callable[[], None] | None] = queue.Queue(MAX_NEWS)
        # A daemon: one that hangs in a plugin keeps no process alive.
        self._thread = threading.Thread(target=self._tell_all, name="observers", daemon=True)
        self._thread.start()

    def job_finished(self, job: FinishedJob) -> None:
        """Tell of the end of a job. Never blocks."""
        self._put(lambda: self._plugins.job_finished(job))

    def image_added(self, image: NewImage) -> None:
        """Tell of an image in the gallery. Never blocks."""
        self._put(lambda: self._plugins.image_added(image))

    def close(self) -> None:
        """Tell what waits, for a moment at most, and stop."""
        self._put(None)
        self._thread.join(CLOSE_LIMIT)

    def _put(self, news: Callable[[], None] | None) -> None:
        try:
            self._news.put_nowait(news)
        except queue.Full:
            log.warning("%d news wait for slow observers: some are not told", MAX_NEWS)

    def _tell_all(self) -> None:
        while (news := self._news.get()) is not None:
            news()
