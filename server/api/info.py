"""What this server is and what its models accept."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import Query
from starlette.responses import JSONResponse

from server import __version__
from server.api import schemas
from server.api.dependencies import OptionalText, Service
from server.api.loras import lora_object
from server.api.refusals import refusals
from server.callers import Scope
from server.errors import ModelNotFound
from server.http.access import needs
from server.http.routes import router as guarded_router
from server.lora_choices import LoraChoices
from server.plugins.types import ModelCard, ModelFamily, PluginRecord
from server.residency import ModelStatus
from server.service import GenerationService

router = guarded_router(tags=["info"])


@router.get(
    "/api/info",
    summary="The server and one model's parameters",
    responses={200: {"model": schemas.Info}, **refusals(ModelNotFound)},
)
@needs(Scope.READ)
async def info(
    service: Service,
    model: Annotated[
        OptionalText, Query(description="A model's id or alias; absent: the current model.")
    ] = None,
) -> JSONResponse:
    """Describes the server: the JSON Schema of requests to the current model (or to `model`), its
    capabilities, every model with its state, and every plugin with what is wrong with it."""
    name = service.current_model if model is None else model
    family, card = service.catalog.find(name)
    # There may be thousands of LoRAs.
    return await asyncio.to_thread(_answer, service, family, card)


def _answer(service: GenerationService, family: ModelFamily, card: ModelCard) -> JSONResponse:
    loras = _usable(service, family, card)
    return JSONResponse(
        {
            "name": "Darkroom",
            "version": __version__,
            "model": card.id,
            "model_name": card.title,
            "training_resolution": card.training_resolution,
            "output_format": "png",
            "parameter_schema": service.catalog.schema(card.id),
            "capabilities": sorted(family.capabilities),
            "loras": loras,
            "available_loras": loras,
            "models": [_model(status) for status in service.models.all()],
            "plugins": [_plugin(record) for record in service.plugins.records()],
        }
    )


def _usable(service: GenerationService, family: ModelFamily, card: ModelCard) -> list[Any]:
    if "loras" not in family.params_of(card).model_fields:
        return []
    choices = LoraChoices(service.catalog, service.loras)
    return [lora_object(record) for record in choices.usable(family, card)]


def _model(status: ModelStatus) -> dict[str, Any]:
    return {
        "id": status.id,
        "family": status.family,
        "title": status.title,
        "state": status.state,
        "capabilities": status.capabilities,
        "parameter_schema_url": f"/api/models/{status.id}/schema",
    }


def _plugin(record: PluginRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "version": record.version,
        "ok": record.ok,
        "error": " ".join(record.faults) or None,
        "warnings": list(record.warnings),
    }
