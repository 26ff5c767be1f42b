"""AUTOMATIC1111's API: the same paths on the main port and on a port of its own."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import JSONResponse

from server.callers import Scope
from server.dialects.automatic1111 import lists, png_info, protocol, translate
from server.dialects.automatic1111.checkpoints import Checkpoints
from server.dialects.automatic1111.generating import Generating
from server.dialects.automatic1111.refusals import (
    GENERATING,
    WITH_BODY,
    answering,
    refusals,
    render,
)
from server.dialects.automatic1111.runs import Runs
from server.errors import InvalidParameters, JobNotFound
from server.http.access import needs, open_to_all
from server.http.faces import Face, Faces
from server.http.guard import caller_of
from server.http.host import DialectHost
from server.http.image_formats import base64_of

PREFIX = "/sdapi/v1"


def build(host: DialectHost) -> Faces:
    """The dialect's addresses."""
    checkpoints, runs = Checkpoints(host), Runs(host.service)
    generating = Generating(host, checkpoints, runs)
    main = host.router(render, prefix=PREFIX)
    _add_generation(main, generating)
    _add_progress(main, host, runs)
    _add_png_info(main)
    lists.add(main, host, checkpoints)

    def own() -> Face:
        router = host.router(render)
        router.routes.extend(main.routes)
        _add_ping(router)
        return Face(router, render)

    return Faces(main=(Face(main, render, prefixes=("/sdapi",)),), own=own)


def _add_generation(router: APIRouter, generating: Generating) -> None:
    @router.post("/txt2img", response_model=protocol.Generated, responses=refusals(*GENERATING))
    @needs(Scope.GENERATE)
    async def txt2img(request: Request, asked: protocol.Txt2Img) -> JSONResponse:
        """Makes images and answers when they are ready, or stopped by `interrupt`."""
        return JSONResponse(await generating.images(request, asked, "txt2img"))

    @router.post("/img2img", response_model=protocol.Generated, responses=refusals(*GENERATING))
    @needs(Scope.GENERATE, takes_images=True)
    async def img2img(request: Request, asked: protocol.Img2Img) -> JSONResponse:
        """Makes images that begin with an image."""
        return JSONResponse(await generating.images(request, asked, "img2img"))

    @router.post(
        "/extra-single-image", response_model=protocol.ExtraImage, responses=refusals(*GENERATING)
    )
    @needs(Scope.GENERATE, takes_images=True)
    async def extra_single_image(request: Request, asked: protocol.ExtraSingleImage) -> Any:
        """Makes an image larger."""
        return await generating.enlarged(request, asked)


def _add_progress(router: APIRouter, host: DialectHost, runs: Runs) -> None:
    @router.get(
        "/progress", response_model=protocol.Progress, responses=refusals(InvalidParameters)
    )
    @needs(Scope.READ)
    async def progress(
        request: Request,
        skip_current_image: Annotated[
            bool, Query(description="Leave the image as it develops out.")
        ] = False,
    ) -> Any:
        """Shows how far your own request is: that of your key, else of your address."""
        run = runs.current(caller_of(request).id)
        if run is None:
            return protocol.Progress()
        try:
            job, shown = await host.service.job(run.job_id)
        except JobNotFound:  # it was deleted this very moment
            return protocol.Progress()
        preview = None
        if shown.preview is not None and not skip_current_image:
            preview = base64_of(shown.preview)
        return translate.progress(run.task, job, shown, preview, interrupted=run.interrupted)

    @router.post("/interrupt", response_model=protocol.Nothing, responses=refusals())
    @needs(Scope.GENERATE)
    async def interrupt(request: Request) -> Any:
        """Stops your own request: it is answered with the images that are finished."""
        await runs.interrupt(caller_of(request).id)
        return protocol.Nothing()

    @router.post("/skip", response_model=None, responses=answering(None))
    @needs(Scope.GENERATE)
    async def skip() -> None:
        """Does nothing: images are not left half-made. `interrupt` stops a request."""


def _add_png_info(router: APIRouter) -> None:
    @router.post("/png-info", response_model=protocol.PngInfo, responses=refusals(*WITH_BODY))
    @needs(Scope.READ, takes_images=True)
    async def show_png_info(asked: protocol.PngInfoRequest) -> Any:
        """Reads the infotext of an image, ours or another program's."""
        return await asyncio.to_thread(png_info.read, asked.image)


def _add_ping(router: APIRouter) -> None:
    @router.get("/internal/ping", response_model=protocol.Nothing)
    @open_to_all
    async def ping() -> Any:
        """Answers when the server does."""
        return protocol.Nothing()
