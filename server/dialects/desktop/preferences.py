"""The settings of this API, kept from run to run."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from pydantic import ValidationError

from server.dialects.desktop.protocol import Settings, SettingsChange
from server.dialects.desktop.refusals import STORAGE
from server.dialects.desktop.storage_folder import FolderRefused, StorageFolders
from server.errors import InvalidParameters
from server.service import GenerationService

#: What the server remembers them under.
KEY = "desktop.settings"

logger = logging.getLogger(__name__)


class Preferences:
    """Reads and changes them; a change is whole or does not happen."""

    def __init__(self, service: GenerationService) -> None:
        self._service = service
        self._folders = StorageFolders(service.settings)
        self._changing = asyncio.Lock()

    async def read(self) -> Settings:
        """The settings as they are.

        Raises:
            DatabaseUnavailable
        """
        return _settings(await asyncio.to_thread(self._service.memory.recall, KEY))

    async def change(self, change: SettingsChange) -> Settings:
        """Change what is given; the settings as they are now.

        Raises:
            InvalidParameters: `storagePath` cannot be used.
            DatabaseUnavailable
        """
        async with self._changing:
            before = await self.read()
            after = before.model_copy(update=change.model_dump(exclude_unset=True))
            if "storage_path" in change.model_fields_set:
                await asyncio.to_thread(self._make, after.storage_path)
            kept = after.model_dump()
            await asyncio.to_thread(self._service.memory.remember, KEY, kept)
        return after

    async def folder(self, settings: Settings) -> str | None:
        """Where a job's images are to be stored, as `Job.folder` has it.

        Raises:
            StorageFailed: nothing can be stored there now.
        """
        return await asyncio.to_thread(self._folders.folder, settings.storage_path)

    def _make(self, path: str) -> None:
        try:
            self._folders.make(path)
        except FolderRefused as error:
            problem = {"loc": ["storagePath"], "msg": str(error), "type": STORAGE}
            raise InvalidParameters([problem]) from None


def _settings(remembered: Any) -> Settings:
    """What was remembered, checked like a change: a later version may have other bounds."""
    try:
        change = SettingsChange.model_validate(remembered or {})
    except ValidationError as error:
        logger.warning("the settings that were kept cannot be used: %s", error)
        return Settings()
    return Settings(**change.model_dump())
