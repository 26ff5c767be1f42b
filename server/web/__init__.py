"""Pages for people: the one that makes pictures, the API's documentation, and the files they load.

Nothing comes from another host, and no page has a script of its own inside.
"""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from server.http.headers import OWN_FILES_ONLY
from server.http.problem import CATALOGUE
from server.web import assets, documents

OPENAPI_URL = "/openapi.json"

BOTH = ["GET", "HEAD"]

#: Of pages that have no style inside.
OWN_FILES = {"Content-Security-Policy": OWN_FILES_ONLY}


def pages(dialects: Mapping[str, str]) -> APIRouter:
    """The routes of every page and of their files. `dialects`: titles by name, each of which has a
    documentation of its own."""
    router = APIRouter(include_in_schema=False)

    start = documents.index(dialects)

    async def index() -> HTMLResponse:
        return HTMLResponse(start, headers=OWN_FILES)

    router.add_api_route("/", index, methods=BOTH)
    router.add_api_route(CATALOGUE, _errors, methods=BOTH)
    for name, title in dialects.items():
        _document(router, title, f"/openapi/{name}.json", f"/{name}")
    router.include_router(documentation("Darkroom", OPENAPI_URL))
    return router


def documentation(title: str, openapi_url: str) -> APIRouter:
    """The routes of the pages that show one OpenAPI document, and of their files."""
    router = APIRouter(include_in_schema=False)
    _document(router, title, openapi_url)
    router.add_api_route("/static/{folder}/{name:path}", _asset, methods=BOTH)
    return router


def _document(router: APIRouter, title: str, openapi_url: str, suffix: str = "") -> None:
    async def swagger() -> HTMLResponse:
        return HTMLResponse(documents.swagger(title, openapi_url))

    async def redoc() -> HTMLResponse:
        return HTMLResponse(documents.redoc(title, openapi_url))

    router.add_api_route(f"/docs{suffix}", swagger, methods=BOTH)
    router.add_api_route(f"/redoc{suffix}", redoc, methods=BOTH)


async def _errors() -> HTMLResponse:
    return HTMLResponse(documents.errors(), headers=OWN_FILES)


async def _asset(request: Request, folder: str, name: str) -> Response:
    return await assets.serve(request, folder, name)
