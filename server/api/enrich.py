"""Writing prompts out."""

from __future__ import annotations

from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import JSONResponse

from server.api import schemas
from server.api.dependencies import Service
from server.api.refusals import refusals
from server.callers import Scope
from server.enrichment.templates import listed
from server.enrichment.wish import Wish
from server.errors import (
    BodyTooLarge,
    InvalidParameters,
    MalformedRequest,
    UnsupportedMediaType,
)
from server.http.access import needs
from server.http.json_body import read_object
from server.http.routes import router as guarded_router

router = guarded_router(tags=["prompts"])

BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": Wish.model_json_schema()}},
    }
}


@router.post(
    "/api/enrich",
    summary="Write a prompt out",
    responses={
        200: {"model": schemas.EnrichedPrompt},
        **refusals(MalformedRequest, BodyTooLarge, UnsupportedMediaType, InvalidParameters),
    },
    openapi_extra=BODY,
)
@needs(Scope.GENERATE)
async def enrich_prompt(request: Request, service: Service) -> JSONResponse:
    """Writes a prompt out in a style, for `POST /api/generate`. The built-in templates keep it word
    for word, add what it lacks of the style, and give the same text every time. Where a language
    model is configured (`enrich`), that writes it; if it fails, the templates do, and `warning`
    says why."""
    wish = Wish.read(await read_object(request))
    return JSONResponse(asdict(await service.enrich(wish.prompt, wish.style)))


@router.get(
    "/api/enrich/styles",
    summary="List styles",
    responses={200: {"model": schemas.StyleList}},
)
@needs(Scope.READ)
async def list_styles() -> JSONResponse:
    """Lists the styles of `POST /api/enrich`, each with the same prompt as its templates write
    it."""
    return JSONResponse({"styles": listed()})
