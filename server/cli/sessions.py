"""Where `darkroom generate` has its job run: in a private worker, or on a running server."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol

import httpx
from httpx_sse import ServerSentEvent, aconnect_sse

from server.config import load_settings
from server.errors import InvalidParameters, RequestError, ShuttingDown, StartupError, Unavailable
from server.records import JobStatus
from server.snapshots import JobSnapshot

if TYPE_CHECKING:
    from server.service import GenerationService

#: How often in a row a lost connection is taken up again, after this many seconds.
RECONNECTS = 10
PAUSE = 1.0


class Session(Protocol):
    """Somewhere that runs jobs."""

    async def submit(self, body: Mapping[str, Any]) -> str:
        """Submit a job and return its id.

        Raises:
            DarkroomError: it was refused.
        """

    def watch(self, job_id: str) -> AsyncIterator[JobSnapshot]:
        """The job's snapshots up to the terminal one."""

    async def cancel(self, job_id: str) -> None:
        """Cancel the job; one that ended meanwhile is no error."""

    async def fetch(self, filename: str) -> bytes:
        """An image's PNG."""


@asynccontextmanager
async def private(config: Path | None, **overrides: Any) -> AsyncIterator[Session]:
    """A whole server without HTTP, on a temporary data folder that goes with it."""
    from server.app import create_service

    with TemporaryDirectory(prefix="darkroom-", ignore_cleanup_errors=True) as folder:
        # Nothing of a server that runs beside it is touched, and the model's load is the job's.
        own = {"data": Path(folder), "on_start": "run", "preload": False, "preview_interval": -1}
        service = create_service(load_settings(config, **overrides, **own))
        await service.start()
        try:
            yield _Private(service)
        finally:
            await service.stop()


@asynccontextmanager
async def remote(url: str) -> AsyncIterator[Session]:
    """A running server, over HTTP."""
    # A stream may be silent for as long as a model loads; the server's pings keep it alive.
    timeout = httpx.Timeout(30, read=60)
    async with httpx.AsyncClient(base_url=url, timeout=timeout) as client:
        yield _Remote(client)


class _Private:
    def __init__(self, service: GenerationService) -> None:
        self._service = service

    async def submit(self, body: Mapping[str, Any]) -> str:
        return (await self._service.submit(body)).job_id

    async def watch(self, job_id: str) -> AsyncIterator[JobSnapshot]:
        async for snapshot in await self._service.watch(job_id):
            yield snapshot

    async def cancel(self, job_id: str) -> None:
        await self._service.cancel(job_id)

    async def fetch(self, filename: str) -> bytes:
        return (await self._service.image_file(filename)).read_bytes()


class _Remote:
    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def submit(self, body: Mapping[str, Any]) -> str:
        # The key lets the request be sent again when it is unclear whether it arrived.
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        answer = await self._request("POST", "/api/generate", json=body, headers=headers)
        return str(answer.json()["job_id"])

    async def watch(self, job_id: str) -> AsyncIterator[JobSnapshot]:
        """Take up a lost stream where it was lost; a server that restarts takes up the job."""
        last, losses = "", 0
        while losses <= RECONNECTS:
            try:
                async for event in self._events(job_id, last):
                    last, losses = event.id, 0
                    snapshot = _snapshot(event.data)
                    yield snapshot
                    if snapshot.status.ended:
                        return
            except httpx.TransportError:
                pass
            losses += 1
            await _pause()
        raise StartupError(
            f"The connection to {self._client.base_url} is lost. The job {job_id} goes on there."
        )

    async def cancel(self, job_id: str) -> None:
        answer = await self._client.post(f"/api/jobs/{job_id}/cancel")
        if answer.status_code not in (200, 409):
            raise _refusal(answer)

    async def fetch(self, filename: str) -> bytes:
        return (await self._request("GET", f"/api/images/{filename}")).content

    async def _events(self, job_id: str, last: str) -> AsyncIterator[ServerSentEvent]:
        headers = {"Last-Event-ID": last} if last else {}
        stream = aconnect_sse(self._client, "GET", f"/api/sse/{job_id}", headers=headers)
        async with stream as source:
            if source.response.is_error:
                await source.response.aread()
                raise _refusal(source.response)
            async for event in source.aiter_sse():
                yield event
