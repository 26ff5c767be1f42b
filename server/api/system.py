"""Whether the server is up."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse

from server import __version__
from server.api import schemas

router = APIRouter(tags=["system"])


@router.get("/health", summary="Health", responses={200: {"model": schemas.Health}})
@router.head("/health", include_in_schema=False)
async def health() -> JSONResponse:
    """Answers as long as the server takes requests."""
    return JSONResponse({"status": "ok", "version": __version__})
