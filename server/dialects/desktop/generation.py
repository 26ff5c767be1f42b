"""Routes that make images, and wait until they are made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request

from server.callers import Scope
from server.dialects.desktop import translate
from server.dialects.desktop.preferences import Preferences
from server.dialects.desktop.protocol import (
    GenerationAnswer,
    ImageToImage,
    Settings,
    TextToImage,
    Upscale,
)
from server.dialects.desktop.refusals import refusals
from server.dialects.desktop.sources import Sources
from server.errors import (
    ImageNotFound,
    InvalidParameters,
    JobFailure,
    ModelNotFound,
)
from server.http.access import needs
from server.http.host import DialectHost
from server.plugins.types import ModelCard
from server.records import JobStatus
from server.snapshots import JobSnapshot


class Generations:
    """Submits jobs for this API's clients and tells them of the images."""

    def __init__(self, host: DialectHost, preferences: Preferences, upscaler: str | None) -> None:
        """`upscaler`: the model that enlarges; None: the first that is bundled."""
        self._host = host
        self._preferences = preferences
        self._sources = Sources(host)
        self._upscaler = upscaler

    async def text_to_image(self, request: Request, asked: TextToImage) -> GenerationAnswer:
        """An image from words; notes on what was bent stand in the answer's message.

        Raises:
            InvalidParameters: the model does not take the request.
            DarkroomError: as `DialectHost.submit` and `finished` say, or as `_image` does.
        """
        card, schema = self._model()
        settings = await self._preferences.read()
        fitted = translate.text_to_image(asked, settings, schema)
        body = {"model": card.id, **fitted.body}
        return await self._made(request, body, settings, notes=fitted.notes)

    async def image_to_image(self, request: Request, asked: ImageToImage) -> GenerationAnswer:
        """An image from another one and words.

        Raises:
            InvalidParameters: the model begins with words only, or the image may not be read.
            ImageNotFound: it names an image of ours that is not there.
            DarkroomError: as `text_to_image`.
        """
        card, schema = self._model()
        if "init_image" not in schema["properties"]:
            text = f"the model {card.id} begins with words only; the server has to use another"
            raise InvalidParameters([{"loc": ["seedImage"], "msg": text, "type": "unsupported"}])
        source = await self._sources.find(request, asked.seed_image, "seedImage")
        settings = await self._preferences.read()
        fitted = translate.image_to_image(asked, settings, schema, source)
        body = {"model": card.id, **fitted.body}
        return await self._made(request, body, settings, "seedImage", fitted.notes)

    async def upscale(self, request: Request, asked: Upscale) -> GenerationAnswer:
        """A larger image.

        Raises:
            ModelNotFound: there is no upscaler.
            InvalidParameters, ImageNotFound: as `image_to_image`.
            DarkroomError: as `text_to_image`.
        """
        card = self._enlarging()
        source = await self._sources.find(request, asked.image_path, "imagePath")
        settings = await self._preferences.read()
        body = {"model": card.id, **translate.upscale(asked, source)}
        return await self._made(request, body, settings, "imagePath")

    async def _made(
        self,
        request: Request,
        body: Mapping[str, Any],
        settings: Settings,
        source: str = "",
        notes: Iterable[str] = (),
    ) -> GenerationAnswer:
        """The image of a job, once there is one; `source` is what the given image is called."""
        folder = await self._preferences.folder(settings)
        try:
            accepted = await self._host.submit(request, body, folder=folder)
        except InvalidParameters as error:
            raise translate.refused(error, source) from None
        ended = await self._host.finished(request, accepted.job_id)
        data = translate.generation(_image(ended), self._host.base_url(request))
        return GenerationAnswer(data=data, message=" ".join(notes) or None)

    def _model(self) -> tuple[ModelCard, Mapping[str, Any]]:
        _, card = self._host.model(None)
        return card, self._host.service.catalog.schema(card.id)

    def _enlarging(self) -> ModelCard:
        """
        Raises:
            ModelNotFound: there is no upscaler.
        """
        if self._upscaler is not None:
            return self._host.model(self._upscaler)[1]
        found = self._host.upscalers()
        if not found:
            raise ModelNotFound("No upscaler is installed here.")
        return next((card for card in found if card.bundled), found[0])


def add(router: APIRouter, generations: Generations) -> None:
    """Add the routes."""

    @router.post(
        "/api/generate/text-to-image",
        summary="Generate an image from text prompt",
        response_model=GenerationAnswer,
        response_model_exclude_none=True,
        responses=refusals(400, 413, 429),
    )
    @needs(Scope.GENERATE)
    async def text_to_image(request: Request, asked: TextToImage) -> GenerationAnswer:
        """Generates an image and answers when it is there. What is left out is as `/api/settings`
        says. What the model takes otherwise than asked for stands in `message`."""
        return await generations.text_to_image(request, asked)

    @router.post(
        "/api/generate/image-to-image",
        summary="Transform an image using text prompt",
        response_model=GenerationAnswer,
        response_model_exclude_none=True,
        responses=refusals(400, 404, 413, 429),
    )
    @needs(Scope.GENERATE, takes_images=True)
    async def image_to_image(request: Request, asked: ImageToImage) -> GenerationAnswer:
        """Transforms an image and answers when the new one is there."""
        return await generations.image_to_image(request, asked)

    @router.post(
        "/api/generate/upscale",
        summary="Upscale an image to higher resolution",
        response_model=GenerationAnswer,
        response_model_exclude_none=True,
        responses=refusals(400, 404, 413, 429),
    )
    @needs(Scope.GENERATE, takes_images=True)
    async def upscale(request: Request, asked: Upscale) -> GenerationAnswer:
        """Enlarges an image and answers when the larger one is there."""
        return await generations.upscale(request, asked)


def _image(ended: JobSnapshot) -> Mapping[str, Any]:
    """The image of a job that has ended.

    Raises:
        JobFailure: it failed, or was cancelled.
        ImageNotFound: somebody has deleted the image since.
    """
    if ended.status is not JobStatus.COMPLETED:
        raise ended.failure or JobFailure("it was cancelled")
    if not ended.images:
        raise ImageNotFound(f"The image of job {ended.job_id} was deleted.")
    return ended.images[0]
