"""The gallery: pages of images, the files, deletion."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from server.api import schemas
from server.api.dependencies import (
    Cursor,
    ImageName,
    Limit,
    Offset,
    OptionalText,
    Service,
)
from server.api.refusals import refusals
from server.callers import Scope
from server.errors import ImageNotFound, InvalidParameters, RangeNotSatisfiable
from server.http.access import needs, serves_image
from server.http.files import immutable_file
from server.http.routes import router as guarded_router
from server.records import image_object


class _ImageNameConvertor(StringConvertor):
    """Any name but that of the list beside the images: no method is to take it for an image."""

    regex = "(?!facets$)[^/]+"


register_url_convertor("image_name", _ImageNameConvertor())

router = guarded_router(tags=["gallery"])

FILE_REFUSALS = refusals(ImageNotFound, RangeNotSatisfiable)


@router.get(
    "/api/images",
    summary="List images",
    responses={200: {"model": schemas.ImagePage}, **refusals(InvalidParameters)},
)
@needs(Scope.READ)
async def list_images(
    service: Service,
    *,
    limit: Limit = 50,
    offset: Offset = 0,
    cursor: Cursor = None,
    q: Annotated[
        OptionalText, Query(description="Words that all occur in the prompt or the model.")
    ] = None,
    model: Annotated[OptionalText, Query(description="Only images of this model.")] = None,
    lora: Annotated[OptionalText, Query(description="Only images made with this adapter.")] = None,
) -> JSONResponse:
    """Lists finished images with their recipes, newest first. `total` counts all that match."""
    page = await service.pictures.page(
        limit=limit, offset=offset, cursor=cursor, q=q, model=model, lora=lora
    )
    return JSONResponse(
        {
            "images": [image_object(record) for record in page.images],
            "total": page.total,
            "limit": limit,
            "offset": offset,
            "next_cursor": page.next_cursor,
        }
    )


@router.get(
    "/api/images/facets",
    summary="What to filter by",
    responses={200: {"model": schemas.ImageFacets}},
)
@needs(Scope.READ)
async def list_facets(service: Service) -> JSONResponse:
    """Lists the models and the LoRAs that images of the gallery were made with, most used first, at
    most 200 of each. Each `id` is one that `/api/images` filters by."""
    models, loras = await service.pictures.models(), await service.pictures.loras()
    return JSONResponse(
        {
            "models": [{"id": use.id, "count": use.images} for use in models],
            "loras": [{"id": use.id, "name": use.name, "count": use.images} for use in loras],
        }
    )


@router.get(
    "/api/images/{filename:image_name}",
    summary="An image",
    response_class=Response,
    responses={
        200: {"description": "The PNG, its recipe inside.", "content": {"image/png": {}}},
        **FILE_REFUSALS,
    },
)
@router.head("/api/images/{filename:image_name}", include_in_schema=False)
@serves_image
async def show_image(request: Request, service: Service, filename: ImageName) -> Response:
    """Serves the full-size image. It never changes: cache it for good. Understands `Range` and
    `If-None-Match`."""
    path = await service.pictures.file(filename)
    return await immutable_file(request, path, "image/png")


@router.get(
    "/api/thumbs/{filename}",
    summary="A thumbnail",
    response_class=Response,
    responses={
        200: {"description": "The thumbnail as WebP.", "content": {"image/webp": {}}},
        **FILE_REFUSALS,
    },
)
@router.head("/api/thumbs/{filename}", include_in_schema=False)
@serves_image
async def show_thumb(request: Request, service: Service, filename: ImageName) -> Response:
    """Serves the small version of an image, under the image's own file name; its longest edge is
    min(320, half the image's) pixels."""
    path = await service.pictures.thumb(filename)
    return await immutable_file(request, path, "image/webp")


@router.delete(
    "/api/images/{filename:image_name}",
    status_code=204,
    summary="Delete an image",
    responses={204: {"description": "The image is gone."}, **refusals(ImageNotFound)},
)
@needs(Scope.ADMIN)
async def delete_image(service: Service, filename: ImageName) -> Response:
    """Removes the image, its thumbnail and its row. The job that made it stays in the history."""
    await service.pictures.delete(filename)
    return Response(status_code=204)
