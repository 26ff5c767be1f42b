"""The machine that the server runs on: its memory, its disks, and when the server started."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from server.folders import Folders
from server.records import now
from server.snapshots import DeviceMemory
from server.worker.memory import of_host


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes of memory or of a disk, and how many of them are free."""

    total: int
    free: int


class Machine:
    """What can be told of the machine without torch; of the device, what a worker has said."""

    def __init__(self, folders: Folders) -> None:
        self.started_at = now()
        self._folders = {
            "images": folders.images,
            "models": folders.models,
            "loras": folders.loras,
        }
        self._device: Space | None = None

    @property
    def device_memory(self) -> Space | None:
        """The device's, as a worker has told it last; None: none has, or the device does not tell,
        or the worker was lost and with it what it held."""
        return self._device

    def note(self, message: DeviceMemory) -> None:
        """A worker's word."""
        free, total = message.free, message.total
        self._device = None if free is None or total is None else Space(total, free)

    def memory(self) -> Space | None:
        """This machine's memory, or that of the container or service which the server is limited
        to; None where the system does not tell. Blocks."""
        try:
            found = of_host()
        except (OSError, LookupError, ValueError):  # a sandbox whose `/proc` is not the kernel's
            return None
        return Space(found.total, found.free) if found.total else None

    def storage(self) -> dict[str, Space]:
        """The disks of the folders `images`, `models` and `loras`; `free` is what this process may
        still fill. A folder that is not there, on a disk that was taken out, say, is left out.
        Blocks."""
        found = {}
        for name, folder in self._folders.items():
            try:
                usage = shutil.disk_usage(folder)
            except OSError:
                continue
            found[name] = Space(usage.total, usage.free)
        return found
