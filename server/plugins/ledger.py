"""The book of plugins and their faults, which may be written from several threads."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from threading import Lock

from server.plugins.types import PluginRecord

logger = logging.getLogger(__name__)


class Ledger:
    """One `PluginRecord` per plugin found, in the order of discovery."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._records: list[PluginRecord] = []

    def open(self, record: PluginRecord) -> None:
        """Add a plugin. Of two with one name only the first gets later faults and warnings."""
        with self._lock:
            self._records.append(record)
        for message in record.faults:
            logger.error("Plugin %s: %s", record.name, message)

    def __contains__(self, name: object) -> bool:
        return any(record.name == name for record in self.records())

    def records(self) -> tuple[PluginRecord, ...]:
        """All plugins as they stand now."""
        with self._lock:
            return tuple(self._records)

    def fault(self, name: str, message: str) -> None:
        """Note a fault of a plugin, once, and log it. An unknown plugin's fault is only logged."""
        logger.error("Plugin %s: %s", name, message)
        self._update(name, lambda old: replace(old, faults=_with(old.faults, message)))

    def warn(self, name: str, message: str) -> None:
        """Note something that does not make a plugin unusable."""
        logger.warning("Plugin %s: %s", name, message)
        self._update(name, lambda old: replace(old, warnings=_with(old.warnings, message)))

    def _update(self, name: str, change: Callable[[PluginRecord], PluginRecord]) -> None:
        with self._lock:
            for place, record in enumerate(self._records):
                if record.name == name:
                    self._records[place] = change(record)
                    return


def _with(noted: tuple[str, ...], message: str) -> tuple[str, ...]:
    return noted if message in noted else (*noted, message)
