"""Somewhere for `darkroom generate` to have its job run, and the private one of the two."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol

from server.config import Settings, load_settings
from server.folders import Folders
from server.lora_entry import LoraEntry
from server.lora_tags import take_out
from server.snapshots import JobSnapshot

if TYPE_CHECKING:
    from server.loras.references import LoraReference
    from server.service import GenerationService


class Session(Protocol):
    """Somewhere that runs jobs."""

    async def submit(self, body: Mapping[str, Any]) -> str:
        """Submit a job and return its id.

        Raises:
            DarkroomError: it was refused.
        """

    def watch(self, job_id: str) -> AsyncGenerator[JobSnapshot, None]:
        """The job's snapshots, the terminal one last."""

    async def cancel(self, job_id: str) -> None:
        """Cancel a job.

        Raises:
            JobAlreadyEnded: it ended meanwhile.
        """

    async def fetch(self, filename: str) -> bytes:
        """An image's PNG."""


def names_loras(body: Mapping[str, Any]) -> bool:
    """Whether a request names LoRAs, in its list or inside the prompt."""
    return bool(body.get("loras") or take_out(str(body.get("prompt", "")))[1])


@asynccontextmanager
async def private(
    config: Path | None, *, with_loras: bool = False, **overrides: Any
) -> AsyncIterator[Session]:
    """A whole server without HTTP, on a temporary data folder that goes with it, with the usual
    folder of models.

    Args:
        config: see `load_settings`, like `overrides`.
        with_loras: whether it needs to know the LoRAs of the usual folder, which are looked
            through then. None is downloaded.

    Raises:
        StartupError: as `darkroom serve`.
    """
    from server.app import create_service

    usual = load_settings(config, **overrides)
    with TemporaryDirectory(prefix="darkroom-", ignore_cleanup_errors=True) as folder:
        # A server that runs beside it is not disturbed, and nobody would see the previews.
        own = {"data": Path(folder), "on_start": "run", "preload": False, "preview_interval": -1}
        own |= {"model_folder": usual.folders.models}  # else each call would download anew
        own |= {"loras": (), "watch_loras": False}
        settings = load_settings(config, **{**overrides, **own})
        if with_loras:
            settings = await _with_loras(settings, usual)
        service = create_service(settings)
        await service.start()
        try:
            if with_loras:
                await service.loras.rescan()
            yield _Private(service)
        finally:
            await service.stop()


class _Borrowing(Settings):
    """Settings of a server that reads LoRAs where another keeps them."""

    lora_folder: Path

    @property
    def folders(self) -> Folders:
        """Where the files lie."""
        return replace(super().folders, loras=self.lora_folder)


async def _with_loras(settings: Settings, usual: Settings) -> Settings:
    """The settings with the usual LoRAs, and what is known of them noted in their database."""
    from server import datafolder
    from server.cli.lora_folder import opened
    from server.database import Database
    from server.loras.copying import copy_known

    async with opened(usual) as (registry, known):
        missing = registry.missing()
        datafolder.make(settings.folders)
        database = Database(settings.folders.database)
        try:
            copy_known(known, database)
        finally:
            database.close()
    given = {**dict(settings), "loras": _here(usual, missing)}
    return _Borrowing(**given, lora_folder=usual.folders.loras)


def _here(settings: Settings, missing: Collection[LoraReference]) -> tuple[LoraEntry, ...]:
    """The configuration's entries but for the missing ones, which a server would download."""
    from server.loras.configured import configured

    entries = configured(settings.loras, settings.civitai_url)
    return tuple(each.entry for each in entries if each.reference not in missing)


class _Private:
    def __init__(self, service: GenerationService) -> None:
        self._service = service

    async def submit(self, body: Mapping[str, Any]) -> str:
        return (await self._service.submit(body)).job_id

    async def watch(self, job_id: str) -> AsyncGenerator[JobSnapshot, None]:
        async for snapshot in await self._service.watch(job_id):
            yield snapshot

    async def cancel(self, job_id: str) -> None:
        await self._service.cancel(job_id)

    async def fetch(self, filename: str) -> bytes:
        return (await self._service.pictures.file(filename)).read_bytes()
