"""The files that pages load."""

from __future__ import annotations

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

HERE = Path(__file__).parent

#: What a page may load; licences and notes lie in the same folders.
SUFFIXES = frozenset({".css", ".js", ".png", ".svg"})

FOLDER_NAMES = ("page", "pages", "redoc", "swagger", "vendor")

FOLDERS = {name: StaticFiles(directory=HERE / name) for name in FOLDER_NAMES}


async def serve(request: Request, folder: str, name: str) -> Response:
    """A file of one of the folders.

    Raises:
        HTTPException: 404, there is no such file.
    """
    if folder not in FOLDERS or Path(name).suffix not in SUFFIXES:
        raise HTTPException(404)
    response = await FOLDERS[folder].get_response(name, request.scope)
    # Cached, but asked about each time: an update of the server must not meet yesterday's script.
    response.headers["Cache-Control"] = "no-cache"
    return response
