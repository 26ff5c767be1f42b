"""Whether the server is up, and how its machine is."""

from __future__ import annotations

import asyncio

from starlette.responses import JSONResponse

from server import __version__
from server.api import system_schemas as schemas
from server.api.dependencies import OpenStreams, Service
from server.callers import Scope
from server.http.access import needs, open_to_all
from server.http.routes import router as guarded_router
from server.machine import Space
from server.records import iso

router = guarded_router(tags=["system"])


@router.get("/health", summary="Health", responses={200: {"model": schemas.Health}})
@router.head("/health", include_in_schema=False)
@open_to_all
async def health() -> JSONResponse:
    """Answers as long as the server takes requests."""
    return JSONResponse({"status": "ok", "version": __version__})


@router.get("/api/system", summary="The machine", responses={200: {"model": schemas.System}})
@needs(Scope.READ)
async def show_system(service: Service, streams: OpenStreams) -> JSONResponse:
    """Tells how much memory and how much room on the disks is left, which models are in memory, and
    how many event streams are open."""
    machine = service.machine
    memory = await asyncio.to_thread(machine.memory)
    disks = await asyncio.to_thread(machine.storage)
    resident = service.models.resident()
    return JSONResponse(
        {
            "version": __version__,
            "started_at": iso(machine.started_at),
            "device": service.device,
            "device_memory": _space(machine.device_memory),
            "memory": _space(memory),
            "storage": [{"name": name, **_bytes(space)} for name, space in disks.items()],
            "models_resident": [
                {"id": told.model, "bytes": told.bytes, "state": told.state} for told in resident
            ],
            "streams": {"open": streams.open, "max": streams.limit},
        }
    )


def _space(space: Space | None) -> dict[str, int] | None:
    return None if space is None else _bytes(space)


def _bytes(space: Space) -> dict[str, int]:
    return {"total_bytes": space.total, "free_bytes": space.free}
