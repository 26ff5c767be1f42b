"""Tells the server how much of the device's memory is free, whenever that has changed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Lock

from server.snapshots import DeviceMemory, ModelState, WorkerMessage
from server.worker import memory

log = logging.getLogger(__name__)

#: States in which a model stays: nothing is being taken or freed.
LASTING = ("loaded", "in_ram", "unloaded")


class MemoryNews:
    """Sends messages on, and behind those that say that a model came or went what is free now, if
    that is not what was sent last."""

    def __init__(self, send: Callable[[WorkerMessage], None], device: str) -> None:
        """
        Args:
            send: takes every message; called by whoever calls this.
            device: torch's name of it.
        """
        self._send = send
        self._device = device
        self._sent: DeviceMemory | None = None
        self._telling = Lock()

    def __call__(self, message: WorkerMessage) -> None:
        """Send `message`, and the news if there are any. Thread-safe if `send` is."""
        self._send(message)
        if isinstance(message, ModelState) and message.state in LASTING:
            self.tell()

    def tell(self) -> None:
        """Send what is free now, unless that was sent last. Takes less than a millisecond; raises
        nothing: after a fault some drivers refuse every call, and a look at the memory must not be
        what ends the worker."""
        with self._telling:
            found = self._look()
            if found != self._sent:
                self._sent = found
                self._send(found)

    def _look(self) -> DeviceMemory:
        try:
            found = memory.of_device(self._device)
        except Exception:  # drivers raise what they like, and this must not end the worker
            log.warning("The memory of %s cannot be told", self._device, exc_info=True)
            return DeviceMemory()
        return DeviceMemory(found.free, found.total) if found.total else DeviceMemory()
