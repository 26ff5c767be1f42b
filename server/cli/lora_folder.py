"""The user's LoRAs, as commands see them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from server.config import Settings

if TYPE_CHECKING:
    from server.database import Database
    from server.loras.registry import LoraRegistry


@asynccontextmanager
async def registry(settings: Settings) -> AsyncIterator[LoraRegistry]:
    """What lies in the folder now, also while a server runs on it.

    Raises:
        StartupError: the folders or the database cannot be used.
    """
    async with opened(settings) as (found, _):
        yield found


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[tuple[LoraRegistry, Database]]:
    """The registry of what lies in the folder now, and the database that it keeps it in.

    Raises:
        StartupError: the folders or the database cannot be used.
    """
    from server import datafolder
    from server.database import Database
    from server.loras.configured import configured
    from server.loras.registry import LoraRegistry
    from server.plugins.manager import discover

    families = discover(settings.plugin_folder, settings.models).families
    entries = configured(settings.loras, settings.civitai_url)
    datafolder.make(settings.folders)
    database = Database(settings.folders.database)
    found = LoraRegistry(database, settings.folders.loras, families, entries=entries)
    try:
        await found.start(watch=False)
        await found.rescan()
        yield found, database
    finally:
        await found.stop()
        database.close()
