"""Somewhere for `darkroom generate` to have its job run, and the private one of the two."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol

from server.config import load_settings
from server.snapshots import JobSnapshot

if TYPE_CHECKING:
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


@asynccontextmanager
async def private(config: Path | None, **overrides: Any) -> AsyncIterator[Session]:
    """A whole server without HTTP, on a temporary data folder that goes with it, with the usual
    folder of models.

    Raises:
        StartupError: as `darkroom serve`.
    """
    from server.app import create_service

    usual = load_settings(config, **overrides)
    with TemporaryDirectory(prefix="darkroom-", ignore_cleanup_errors=True) as folder:
        # A server that runs beside it is not disturbed, and nobody would see the previews.
        own = {"data": Path(folder), "on_start": "run", "preload": False, "preview_interval": -1}
        own["model_folder"] = usual.folders.models  # else each call would download anew
        service = create_service(load_settings(config, **{**overrides, **own}))
        await service.start()
        try:
            yield _Private(service)
        finally:
            await service.stop()


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
        return (await self._service.image_file(filename)).read_bytes()
