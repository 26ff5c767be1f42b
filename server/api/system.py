"""Whether the server is up."""

from __future__ import annotations

from starlette.responses import JSONResponse

from server import __version__
from server.api import schemas
from server.http.access import open_to_all
from server.http.routes import router as guarded_router

router = guarded_router(tags=["system"])


@router.get("/health", summary="Health", responses={200: {"model": schemas.Health}})
@router.head("/health", include_in_schema=False)
@open_to_all
async def health() -> JSONResponse:
    """Answers as long as the server takes requests."""
    return JSONResponse({"status": "ok", "version": __version__})
