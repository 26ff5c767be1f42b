"""Pages for people: the start page, the API's documentation, and the files they load.

Nothing comes from another host, and no page has a script of its own inside.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from server.http.problem import CATALOGUE
from server.web import assets, documents

OPENAPI_URL = "/openapi.json"


def pages() -> APIRouter:
    """The routes of every page and of their files."""
    router = APIRouter(include_in_schema=False)
    both = ["GET", "HEAD"]
    router.add_api_route("/", _index, methods=both)
    router.add_api_route("/docs", _swagger, methods=both)
    router.add_api_route("/redoc", _redoc, methods=both)
    router.add_api_route(CATALOGUE, _errors, methods=both)
    router.add_api_route("/static/{folder}/{name}", _asset, methods=both)
    return router


async def _index() -> HTMLResponse:
    return HTMLResponse(documents.index())


async def _swagger() -> HTMLResponse:
    return HTMLResponse(documents.swagger("Darkroom", OPENAPI_URL))


async def _redoc() -> HTMLResponse:
    return HTMLResponse(documents.redoc("Darkroom", OPENAPI_URL))


async def _errors() -> HTMLResponse:
    return HTMLResponse(documents.errors())


async def _asset(request: Request, folder: str, name: str) -> Response:
    return await assets.serve(request, folder, name)
