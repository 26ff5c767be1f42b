"""The endpoints."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from server.callers import Scope
from server.dialects.openai.developing import Developing, Kind
from server.dialects.openai.editing import read_edit
from server.dialects.openai.listing import Listing
from server.dialects.openai.prints import FILES, Prints
from server.dialects.openai.protocol import (
    FormEdit,
    Generation,
    ImageRequest,
    ImagesResponse,
    JsonEdit,
    Model,
    ModelList,
)
from server.dialects.openai.refusals import refusals, render
from server.dialects.openai.studio import Studio
from server.http.access import needs, serves_image
from server.http.faces import Face, Faces
from server.http.host import DialectHost
from server.http.json_model import described, read_model
from server.http.sse import EventStream
from server.snapshots import JobSnapshot

#: The beginnings of the paths that are this API's on the main port; others below `/v1` are not.
PREFIXES = ("/v1/images", "/v1/models")

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=255,
        description="A retry with the same key and request gets the images of the first one "
        "(24 hours).",
    ),
]


def build(host: DialectHost) -> Faces:
    """The dialect's addresses; see `server.plugins.types.Dialect`."""
    router = host.router(render)
    _add_images(router, host)
    _add_files(router, host)
    _add_models(router, host, began=int(time.time()))
    return Faces(main=(Face(router, render, PREFIXES),), own=lambda: Face(router, render))


def _add_images(router: APIRouter, host: DialectHost) -> None:
    studio, prints = Studio(host), Prints(host)

    async def answer(
        request: Request, kind: Kind, asked: ImageRequest, accepted: JobSnapshot
    ) -> Response:
        if asked.stream:
            developing = Developing(host, prints, kind, asked, accepted.job_id)
            return EventStream(developing.events(), host.streams, developing.farewell())
        ended = await host.finished(request, accepted.job_id)
        return JSONResponse(await prints.answer(request, asked, ended))

    @router.post(
        "/v1/images/generations",
        summary="Make images",
        response_model=ImagesResponse,
        responses=_responses("image_generation"),
        openapi_extra=_body(Generation),
    )
    @needs(Scope.GENERATE)
    async def generate(request: Request, idempotency_key: IdempotencyKey = None) -> Response:
        """Makes images and answers when they are ready, or with `stream` while they develop. Values
        that the model does not take are bent to the nearest that it does."""
        asked = await read_model(request, Generation)
        _check_room(host, asked)
        accepted = await studio.generate(request, asked, idempotency_key)
        return await answer(request, "image_generation", asked, accepted)

    @router.post(
        "/v1/images/edits",
        summary="Change images",
        response_model=ImagesResponse,
        responses=_responses("image_edit"),
        openapi_extra=_edit_body(),
    )
    @needs(Scope.GENERATE, takes_images=True)
    async def edit(request: Request, idempotency_key: IdempotencyKey = None) -> Response:
        """Makes images from given ones: image to image, and with `mask` inpainting, where the model
        can do that."""
        order = await read_edit(request)
        _check_room(host, order.asked)
        accepted = await studio.edit(request, order, idempotency_key)
        return await answer(request, "image_edit", order.asked, accepted)


def _add_files(router: APIRouter, host: DialectHost) -> None:
    prints = Prints(host)

    @router.get(
        f"{FILES}/{{name}}",
        summary="Fetch an image",
        response_class=Response,
        responses={
            200: {"content": {kind: {} for kind in ("image/png", "image/jpeg", "image/webp")}},
            206: {"description": "The part of it that `Range` asks for."},
            304: {"description": "The client has it: `If-None-Match`."},
            **refusals(400, 404, 416),
        },
    )
    @serves_image
    async def show(
        request: Request,
        name: str,
        compression: Annotated[
            int | None, Query(ge=0, le=100, description="The quality of JPEG and WebP, in percent.")
        ] = None,
    ) -> Response:
        """Serves an image at the address that `response_format` `url` gives. The end of its name
        tells the format: `png`, `jpeg` or `webp`."""
        return await prints.serve(request, name, compression)


def _add_models(router: APIRouter, host: DialectHost, began: int) -> None:
    listing = Listing(host, began)

    @router.get(
        "/v1/models", summary="List the models", response_model=ModelList, responses=refusals()
    )
    @needs(Scope.READ)
    async def list_models() -> JSONResponse:
        """Lists the models that make images from words: the names of `[dialects.openai] aliases`
        and the ids."""
        return JSONResponse(listing.every())

    @router.get(
        "/v1/models/{model:path}",
        summary="Show a model",
        response_model=Model,
        responses=refusals(404),
    )
    @needs(Scope.READ)
    async def show_model(model: str) -> JSONResponse:
        """Shows a model by any of its names."""
        return JSONResponse(listing.one(model))


def _check_room(host: DialectHost, asked: ImageRequest) -> None:
    """
    Raises:
        TooManyStreams: the answer would be one stream too many; nothing is submitted then.
    """
    if asked.stream:
        with host.streams.place():
            return


def _responses(kind: Kind) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that makes images."""
    event = f"{kind}.partial_image"
    data = f'{{"type":"{event}","b64_json":"…","partial_image_index":0,…}}'
    stream = {"example": f"event: {event}\ndata: {data}\n\n"}
    answer = {
        "description": f"The images; with `stream` events `{event}` and `{kind}.completed`, and "
        "one `error` where that is the end.",
        "content": {"text/event-stream": stream},
    }
    return {200: answer, **refusals(400, 404, 409, 413)}


def _body(model: type[BaseModel]) -> dict[str, Any]:
    """How the documentation describes a body of JSON, with its example."""
    schema = model.model_json_schema()
    return described(schema, schema.pop("example"))


def _edit_body() -> dict[str, Any]:
    """How the documentation describes the two bodies of an edit."""
    as_json, as_form = _body(JsonEdit), _body(FormEdit)
    media = as_json["requestBody"]["content"]
    media["multipart/form-data"] = as_form["requestBody"]["content"]["application/json"]
    return as_json
