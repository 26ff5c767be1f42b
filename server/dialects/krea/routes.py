"""The endpoints, below `/krea` and at the root of a port of their own."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.websockets import WebSocket

from server.callers import Scope
from server.dialects.krea import translate
from server.dialects.krea.protocol import (
    EXAMPLES,
    VERSION,
    Generated,
    GenerateRequest,
    Health,
    Models,
    Status,
)
from server.dialects.krea.refusals import ANYWHERE, GENERATING, refusals, renderer
from server.dialects.krea.sockets import Conversation
from server.dialects.krea.studio import Studio
from server.errors import TooManyStreams
from server.http.access import needs, open_to_all
from server.http.faces import Face, Faces, refuse
from server.http.host import DialectHost
from server.http.json_model import described, read_model

PREFIX = "/krea"

#: Headers of every answer to a request for an image.
LIMIT_HEADERS = {
    "X-RateLimit-Limit": "How many requests the limit that is nearest allows.",
    "X-RateLimit-Remaining": "How many of them are left.",
    "X-RateLimit-Reset": "When there will be more, in seconds since 1970.",
}


def build(host: DialectHost) -> Faces:
    """The dialect's addresses; see `server.plugins.types.Dialect`."""
    render = renderer(host)
    studio = Studio(host)

    def face(prefix: str = "") -> Face:
        router = host.router(render, prefix=prefix, responses=refusals(*ANYWHERE))
        _add_generation(router, host, studio)
        _add_models(router, host, studio)
        _add_socket(router, host, studio)
        return Face(router, render, (prefix,) if prefix else ())

    return Faces(main=(face(PREFIX),), own=face)


def _add_generation(router: APIRouter, host: DialectHost, studio: Studio) -> None:
    headers = {
        name: {"description": text, "schema": {"type": "integer"}}
        for name, text in LIMIT_HEADERS.items()
    }

    @router.post(
        "/generate",
        summary="Generate an image",
        response_model=Generated,
        responses={200: {"headers": headers}, **refusals(*GENERATING)},
        openapi_extra=described(GenerateRequest.model_json_schema(), EXAMPLES["request"]),
    )
    @needs(Scope.GENERATE)
    async def generate(request: Request) -> JSONResponse:
        """Generates an image from a text prompt and answers when it is ready. Values that the model
        does not take are bent to the nearest that it does."""
        wanted = await read_model(request, GenerateRequest)
        accepted = await studio.submit(request, wanted)
        job = await host.finished(request, accepted.job_id)
        made = await studio.result(job)
        return JSONResponse(made.model_dump(), headers=host.rate_limit_headers(request))


def _add_models(router: APIRouter, host: DialectHost, studio: Studio) -> None:
    service = host.service

    @router.get("/health", summary="Check the server", response_model=Health)
    @open_to_all
    async def health() -> Health:
        """Tells whether the server would accept a request, and which model makes the images."""
        return Health(
            status="healthy" if service.accepts_jobs else "unhealthy",
            model=studio.model,
            device=translate.device(service.device),
            version=VERSION,
        )

    @router.get("/models", summary="List the models", response_model=Models)
    @needs(Scope.READ)
    async def models() -> Models:
        """Lists the models that make images from words."""
        return Models(models=translate.model_ids(service.catalog.cards()))

    @router.get("/status", summary="Check the model", response_model=Status)
    @needs(Scope.READ)
    async def status() -> Status:
        """Tells whether the model that makes the images is loaded."""
        model = await asyncio.to_thread(service.models.named, studio.model)
        return translate.status(model, service.device)


def _add_socket(router: APIRouter, host: DialectHost, studio: Studio) -> None:
    @router.websocket("/ws")
    async def converse(websocket: WebSocket) -> None:
        """Generates the images that messages ask for, and shows how far they are."""
        try:
            with host.streams.place():
                if await host.accept(websocket, Scope.GENERATE):
                    await Conversation(host, studio, websocket).hold()
        except TooManyStreams as error:
            await refuse(error, websocket.scope, websocket.receive, websocket.send)
