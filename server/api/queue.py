"""The queue: numbers, pause, resume."""

from __future__ import annotations

from dataclasses import asdict

from starlette.responses import JSONResponse

from server.api import schemas
from server.api.dependencies import Service
from server.callers import Scope
from server.http.access import needs
from server.http.routes import router as guarded_router

router = guarded_router(tags=["queue"], responses={200: {"model": schemas.Queue}})


@router.get("/api/queue", summary="The queue in numbers")
@needs(Scope.READ)
async def show_queue(service: Service) -> JSONResponse:
    """Tells whether the queue is paused and counts jobs by state."""
    return JSONResponse(asdict(await service.queue()))


@router.post("/api/queue/pause", summary="Pause the queue")
@needs(Scope.ADMIN)
async def pause_queue(service: Service) -> JSONResponse:
    """Starts no more jobs; what runs now ends, and new jobs are still accepted."""
    return JSONResponse(asdict(await service.pause()))


@router.post("/api/queue/resume", summary="Resume the queue")
@needs(Scope.ADMIN)
async def resume_queue(service: Service) -> JSONResponse:
    """Runs waiting jobs again."""
    return JSONResponse(asdict(await service.resume()))
