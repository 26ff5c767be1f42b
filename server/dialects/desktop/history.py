"""Routes of the history: all images of the gallery, and their files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from server.callers import Scope
from server.dialects.desktop import translate
from server.dialects.desktop.protocol import Deleted, Generation, GenerationAnswer, HistoryPage
from server.dialects.desktop.refusals import refusals
from server.errors import ImageNotFound
from server.generation import MAX_SEED
from server.http.access import needs, serves_image
from server.http.files import immutable_file
from server.http.host import DialectHost
from server.records import ImageRecord, image_object

#: Most images of one answer, however many are asked for.
MOST = 200

#: Digits of the largest number that an image can have.
DIGITS = 18

Number = Annotated[str, Path(description="The image's `id`.", examples=["1"])]
Limit = Annotated[
    int, Query(ge=1, le=MAX_SEED, description=f"Max results; never more than {MOST}.")
]
Offset = Annotated[int, Query(ge=0, le=MAX_SEED, description="Pagination offset.")]
Type = Annotated[
    Literal["image", "video"] | None, Query(description="Filter by type. There are no videos.")
]


def add(router: APIRouter, host: DialectHost) -> None:
    """Add the routes."""

    def shown(request: Request, record: ImageRecord) -> Generation:
        return translate.generation(image_object(record), host.base_url(request))

    async def numbered(number: str) -> ImageRecord:
        if not (number.isascii() and number.isdecimal() and len(number) <= DIGITS):
            raise ImageNotFound
        return await host.service.pictures.numbered(int(number))

    @router.get(
        "/api/history",
        summary="Get all generation history",
        response_model=HistoryPage,
        response_model_exclude_none=True,
        responses=refusals(400),
    )
    @needs(Scope.READ)
    async def history(
        request: Request,
        limit: Limit = 50,
        offset: Offset = 0,
        type: Type = None,  # noqa: A002
    ) -> HistoryPage:
        """Lists images, newest first, whichever API they were made through."""
        if type == "video":
            return HistoryPage(data=[], total=0)
        page = await host.service.pictures.page(limit=min(limit, MOST), offset=offset)
        return HistoryPage(
            data=[shown(request, record) for record in page.images], total=page.total
        )

    @router.get(
        "/api/history/{number}",
        summary="Get specific generation by ID",
        response_model=GenerationAnswer,
        response_model_exclude_none=True,
        responses=refusals(404),
    )
    @needs(Scope.READ)
    async def show(request: Request, number: Number) -> GenerationAnswer:
        """Shows an image."""
        return GenerationAnswer(data=shown(request, await numbered(number)))

    @router.delete(
        "/api/history/{number}",
        summary="Delete a generation from history",
        response_model=Deleted,
        responses=refusals(404),
    )
    @needs(Scope.ADMIN)
    async def delete(number: Number) -> Deleted:
        """Removes an image, its thumbnail and its row."""
        await host.service.pictures.delete((await numbered(number)).filename)
        return Deleted()

    _add_files(router, host, numbered)


def _add_files(
    router: APIRouter, host: DialectHost, numbered: Callable[[str], Awaitable[ImageRecord]]
) -> None:
    described: dict[str, Any] = {
        "response_class": Response,
        "responses": {
            200: {"description": "The PNG, its recipe inside.", "content": {"image/png": {}}},
            **refusals(404, 416),
        },
    }

    async def sent(request: Request, filename: str) -> Response:
        path = await host.service.pictures.file(filename)
        return await immutable_file(request, path, "image/png")

    # Anybody can count: unlike a name, a number does not stand for the right to see an image.
    @router.get("/generated/image_{number}.png", summary="An image's file", **described)
    @router.head("/generated/image_{number}.png", include_in_schema=False)
    @needs(Scope.READ)
    async def file(request: Request, number: Number) -> Response:
        """Serves the file behind `filePath`. It never changes."""
        return await sent(request, (await numbered(number)).filename)

    @router.get("/generated/{filename}", summary="An image's file, by its name", **described)
    @router.head("/generated/{filename}", include_in_schema=False)
    @serves_image
    async def named(request: Request, filename: str) -> Response:
        """Serves the file behind `url`. It never changes."""
        return await sent(request, filename)
