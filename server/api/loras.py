"""LoRAs: list, look at, change, delete, look for new ones."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Query
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from server.api import schemas
from server.api.dependencies import (
    Limit,
    LoraName,
    NameCursor,
    Offset,
    OptionalText,
    Service,
)
from server.api.refusals import refusals
from server.callers import Scope
from server.errors import (
    InvalidParameters,
    MalformedRequest,
    ModelNotFound,
    RangeNotSatisfiable,
    UnsupportedMediaType,
)
from server.http.access import needs
from server.http.files import changing_file
from server.http.json_body import read_object
from server.http.routes import router as guarded_router
from server.lora_errors import LoraBundled, LoraNotFound, LoraNotRemoved, LoraPreviewNotFound
from server.lora_requests import TRIGGER_WEIGHT, WEIGHT
from server.loras.edits import LoraEdits
from server.loras.record import LoraRecord

router = guarded_router(tags=["loras"])

#: How the documentation shows the body of a change.
EDITS = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": LoraEdits.model_json_schema(),
                "examples": {
                    "weight": {
                        "summary": "How strongly it acts where a request does not say",
                        "value": {"weight": 0.8, "notes": "for nights"},
                    },
                    "trigger-words": {
                        "summary": "Its trigger words",
                        "value": {"trigger_words": ["glowing lines"], "trigger_weight": 1.0},
                    },
                },
            }
        },
    }
}


@router.get(
    "/api/loras",
    summary="List LoRAs",
    responses={
        200: {"model": schemas.LoraPage},
        **refusals(ModelNotFound, InvalidParameters),
    },
)
@needs(Scope.READ)
async def list_loras(
    service: Service,
    *,
    limit: Limit = 50,
    offset: Offset = 0,
    cursor: NameCursor = None,
    q: Annotated[
        OptionalText,
        Query(description="Words that all occur in its names, trigger words, base model, family."),
    ] = None,
    family: Annotated[OptionalText, Query(description="Only those of this model family.")] = None,
    model: Annotated[
        OptionalText, Query(description="Only those of this model's family, by its id or alias.")
    ] = None,
) -> JSONResponse:
    """Lists the LoRAs of the folder and those of the model families, by name. Those that no model
    can use are listed too, with the reason in `unsupported`."""
    families = {family} if family is not None else set()
    if model is not None:
        families.add(service.catalog.find(model)[0].name)
    page = await asyncio.to_thread(
        service.loras.page,
        q=q,
        families=families or None,
        limit=limit,
        offset=offset,
        cursor=cursor,
    )
    return JSONResponse(
        {
            "loras": [lora_object(record) for record in page.loras],
            "total": page.total,
            "limit": limit,
            "offset": offset,
            "next_cursor": page.next_cursor,
        }
    )


@router.post(
    "/api/loras/rescan",
    summary="Look for LoRAs",
    responses={200: {"model": schemas.RescanSummary}},
)
@needs(Scope.READ)
async def rescan_loras(service: Service) -> JSONResponse:
    """Looks at the folders of LoRAs, reads what is new or has changed, and answers when all of it
    is listed. It happens by itself too, unless `watch_loras` is off or the files lie on another
    machine."""
    return JSONResponse(asdict(await service.loras.rescan()))


@router.get(
    "/api/loras/{lora}",
    summary="One LoRA",
    responses={200: {"model": schemas.Lora}, **refusals(LoraNotFound)},
)
@needs(Scope.READ)
async def show_lora(service: Service, lora: LoraName) -> JSONResponse:
    """Shows what is known of a LoRA: by its id, `civitai_{model}` of a model with one version here,
    its file name, or its name."""
    return JSONResponse(lora_object(await asyncio.to_thread(service.loras.find, lora)))


@router.patch(
    "/api/loras/{lora}",
    summary="Change a LoRA",
    responses={
        200: {"model": schemas.Lora},
        **refusals(MalformedRequest, LoraNotFound, UnsupportedMediaType, InvalidParameters),
    },
    openapi_extra=EDITS,
)
@needs(Scope.ADMIN)
async def edit_lora(request: Request, service: Service, lora: LoraName) -> JSONResponse:
    """Changes what is known of a LoRA, and answers with all of it. Nothing found later replaces
    what you set here, until null takes it back. It belongs to the file's contents: the file may be
    renamed or moved."""
    changes = await read_object(request)
    return JSONResponse(lora_object(await service.loras.edit(lora, changes)))


@router.delete(
    "/api/loras/{lora}",
    status_code=204,
    summary="Forget or delete a LoRA",
    responses={
        204: {"description": "It is forgotten, or gone."},
        **refusals(LoraNotFound, LoraBundled, LoraNotRemoved),
    },
)
@needs(Scope.ADMIN)
async def delete_lora(
    service: Service,
    lora: LoraName,
    file: Annotated[
        bool, Query(description="Delete its file too, its copies, and what lies beside them.")
    ] = False,
) -> Response:
    """Forgets what you have changed of a LoRA, and what civitai said of it. While its file lies in
    the folder the LoRA stays listed, as a fresh one; `file=true` deletes that too."""
    await service.loras.delete(lora, file=file)
    return Response(status_code=204)


@router.get(
    "/api/loras/{lora}/preview",
    summary="A picture of a LoRA",
    response_class=Response,
    responses={
        200: {
            "description": "PNG, JPEG or WebP.",
            "content": {"image/png": {}, "image/jpeg": {}, "image/webp": {}},
        },
        **refusals(LoraNotFound, LoraPreviewNotFound, RangeNotSatisfiable),
    },
)
@router.head("/api/loras/{lora}/preview", include_in_schema=False)
@needs(Scope.READ)
async def show_preview(request: Request, service: Service, lora: LoraName) -> Response:
    """Serves the picture that lies beside the file. It may change: ask with `If-None-Match`."""
    picture = await asyncio.to_thread(service.loras.preview, lora)
    try:
        return await changing_file(request, picture.path, picture.media_type)
    except FileNotFoundError:
        raise LoraPreviewNotFound(f"The picture of {lora} was just deleted.") from None


def lora_object(record: LoraRecord) -> dict[str, Any]:
    """A LoRA as answers show it: without its place on this machine and what only tells models
    apart, and with the weights that a request gets that gives none."""
    shown = asdict(record)
    for name in ("path", "preview", "width"):
        del shown[name]
    has_picture = record.preview is not None
    return {
        **shown,
        "weight": WEIGHT if record.weight is None else record.weight,
        "trigger_weight": (
            TRIGGER_WEIGHT if record.trigger_weight is None else record.trigger_weight
        ),
        "preview_url": f"/api/loras/{quote(record.id)}/preview" if has_picture else None,
    }
