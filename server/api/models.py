"""Models: list, schema, load, unload."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from starlette.responses import JSONResponse, Response

from server.api import schemas
from server.api.dependencies import ModelName, Service
from server.api.refusals import refusals
from server.callers import Scope
from server.errors import ModelNotFound
from server.http.access import needs
from server.http.routes import router as guarded_router

router = guarded_router(tags=["models"])


@router.get("/api/models", summary="List models", responses={200: {"model": schemas.ModelList}})
@needs(Scope.READ)
async def list_models(service: Service) -> JSONResponse:
    """Lists every model with its state, the reason where it cannot be used, and the bytes of its
    weights in memory and on the disk."""
    models = await asyncio.to_thread(service.models.all)
    return JSONResponse({"models": [asdict(status) for status in models]})


@router.get(
    "/api/models/{model}/schema",
    summary="A model's parameters",
    response_class=Response,
    responses={
        200: {
            "description": "JSON Schema, draft 2020-12.",
            "content": {"application/schema+json": {"schema": {"type": "object"}}},
        },
        **refusals(ModelNotFound),
    },
)
@needs(Scope.READ)
async def show_schema(service: Service, model: ModelName) -> JSONResponse:
    """Answers with the JSON Schema of requests to this model (id or alias)."""
    return JSONResponse(service.catalog.schema(model), media_type="application/schema+json")


@router.post(
    "/api/models/{model}/load",
    status_code=202,
    summary="Make a model the current one",
    responses={202: {"model": schemas.Model}, **refusals(ModelNotFound)},
)
@needs(Scope.ADMIN)
async def load_model(service: Service, model: ModelName) -> JSONResponse:
    """Makes this model the one that requests without `model` go to, also after a restart, and
    loads it as soon as nothing runs; it is downloaded first where it is missing. A model that makes
    no images from words, like an upscaler, is loaded only."""
    return JSONResponse(asdict(await service.models.load(model)), status_code=202)


@router.post(
    "/api/models/{model}/unload",
    status_code=202,
    summary="Free a model's memory",
    responses={202: {"model": schemas.Model}, **refusals(ModelNotFound)},
)
@needs(Scope.ADMIN)
async def unload_model(service: Service, model: ModelName) -> JSONResponse:
    """Frees the model's memory as soon as nothing runs, and stops its download unless jobs wait
    for it. The current model stays the same."""
    return JSONResponse(asdict(await service.models.unload(model)), status_code=202)
