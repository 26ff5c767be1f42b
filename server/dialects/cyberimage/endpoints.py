"""The endpoints of the API."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import Query
from pydantic import AfterValidator
from pydantic.json_schema import SkipJsonSchema
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from server.callers import Scope
from server.dialects.cyberimage import models, translate
from server.dialects.cyberimage.asked import noted
from server.dialects.cyberimage.models import Listed
from server.dialects.cyberimage.protocol import MAX_PAGE, MAX_PROMPT, EnrichRequest, GenerateRequest
from server.errors import ImageNotFound, InvalidParameters, JobNotFound
from server.http.access import needs, serves_image
from server.http.files import immutable_file
from server.http.host import DialectHost
from server.http.json_model import read_model
from server.jobs.submission import Unrunnable
from server.records import ImageRecord, JobKind, image_object, now
from server.snapshots import JobSnapshot
from server.wording import shortened

#: The newest jobs, of which the queue tells more.
RECENT = timedelta(hours=24)

#: The last page; the database's row numbers end not far beyond its last image.
LAST_PAGE = 10**12

#: A text that may be left out. A URL has no null, so that the documentation does not show one.
OptionalText = str | SkipJsonSchema[None]

PageNumber = Annotated[
    int,
    AfterValidator(lambda page: max(1, min(page, LAST_PAGE))),
    Query(description="Which page, from 1."),
]
PageSize = Annotated[
    int,
    AfterValidator(lambda limit: max(1, min(limit, MAX_PAGE))),
    Query(description=f"Images of a page; values outside 1–{MAX_PAGE} are clamped."),
]
Search = Annotated[
    OptionalText,
    Query(
        max_length=MAX_PROMPT,
        description="Words that all occur in the prompt, as beginnings, or in the model's name.",
    ),
]
ModelName = Annotated[
    OptionalText, Query(max_length=MAX_PROMPT, description="Only images of this model.")
]


class Api:
    """The endpoints."""

    def __init__(self, host: DialectHost) -> None:
        self._host = host
        self._service = host.service
        self._models = models.read(host)

    @property
    def model_ids(self) -> list[str]:
        """The names of models that requests may use."""
        return [*self._models]

    @needs(Scope.READ)
    async def list_models(self) -> JSONResponse:
        """Lists the models by the names that requests may use. A name whose model is not installed
        stays in the list; jobs that ask for it fail and say so."""
        chosen, current = self._host.entry.model, self._service.current_model
        return JSONResponse(models.answer(self._models, chosen, current))

    @needs(Scope.GENERATE)
    async def generate(self, request: Request) -> JSONResponse:
        """Queues a job. Follow it at `GET /status/{job_id}`.

        Settings that the model does not take are changed to the nearest that it does, which
        `warnings` tells; a negative prompt is ignored by models without one."""
        wanted = await read_model(request, GenerateRequest)
        model = self._model(wanted.model_id)
        snapshot, notes = await self._submit(request, wanted, model)
        return JSONResponse(translate.accepted(snapshot, notes))

    @needs(Scope.READ)
    async def show_status(self, job_id: str) -> JSONResponse:
        """Shows a job as it is now, with the images that are finished. Of a job that is not
        kept any more (`keep_jobs`) its images tell as long as there are some."""
        try:
            job, snapshot = await self._service.job(job_id)
        except JobNotFound:
            return JSONResponse(await self._forgotten(job_id))
        if job.kind is not JobKind.GENERATE:
            raise JobNotFound(f"There is no job {job_id!r} that makes images.")
        return JSONResponse(translate.job_state(job, snapshot, self._host.model_name(job)))

    @serves_image
    async def show_image(self, request: Request, image_id: str) -> Response:
        """Serves an image as PNG."""
        path = await self._service.pictures.file((await self._image(image_id)).filename)
        return await immutable_file(request, path, "image/png")

    @needs(Scope.READ)
    async def show_metadata(self, image_id: str) -> JSONResponse:
        """Shows how an image was made. `generation_time` is in seconds."""
        image = await self._image(image_id)
        jobs = await self._service.jobs_named([image.job_id])
        job = jobs.get(image.job_id)
        model_id = image.model if job is None else self._host.model_name(job)
        return JSONResponse(translate.metadata(image_object(image), job, model_id))

    @needs(Scope.ADMIN)
    async def delete_image(self, image_id: str) -> JSONResponse:
        """Deletes an image. Its job stays."""
        await self._service.pictures.delete((await self._image(image_id)).filename)
        return JSONResponse({"status": "success", "message": "Image deleted successfully"})

    @needs(Scope.READ)
    async def show_queue(
        self,
        detailed: Annotated[bool, Query(description="Tell of the last 24 hours too.")] = False,
    ) -> JSONResponse:
        """Counts jobs. Those of other APIs are among them, under their models' ids."""
        found = translate.queue(await self._service.queue())
        if detailed:
            recent = await self._service.statistics.since(now() - RECENT, self._host.name)
            found |= translate.details(recent)
        return JSONResponse(found)

    @needs(Scope.ADMIN)
    async def reset_queue(self) -> JSONResponse:
        """Queues jobs again that count as running although nobody runs them."""
        count = await self._service.requeue_stalled()
        message = f"Reset {count} stalled jobs to pending status"
        return JSONResponse({"status": "success", "reset_count": count, "message": message})

    @needs(Scope.READ)
    async def show_gallery(
        self,
        page: PageNumber = 1,
        limit: PageSize = 20,
        search: Search = None,
        model: ModelName = None,
    ) -> JSONResponse:
        """Lists images, newest first, those of other APIs too."""
        found = await self._service.pictures.page(
            limit=limit,
            offset=(page - 1) * limit,
            q=search or None,
            model=model or None,
            dialect=self._host.name,
        )
        images = await self._listed(found.images)
        more = found.next_cursor is not None
        return JSONResponse(
            {"images": images, "page": page, "limit": limit, "has_more": more, "total": found.total}
        )

    @needs(Scope.GENERATE)
    async def enrich(self, request: Request) -> JSONResponse:
        """Writes a prompt out in a style, short enough for `POST /generate`."""
        wish = await read_model(request, EnrichRequest)
        written = await self._service.enrich(wish.prompt, wish.style, limit=MAX_PROMPT)
        return JSONResponse(translate.enriched(written))

    def _model(self, name: str) -> Listed:
        """
        Raises:
            InvalidParameters: it is in no list.
        """
        if name not in self._models:
            known = ", ".join(self._models)
            text = f"there is no model {shortened(name)!r}; available models: {known}"
            raise InvalidParameters([{"loc": ["model_id"], "msg": text, "type": "model_not_found"}])
        return self._models[name]

    async def _submit(
        self, request: Request, wanted: GenerateRequest, model: Listed
    ) -> tuple[JobSnapshot, tuple[str, ...]]:
        """The new job, and what was changed to fit the model."""
        words: dict[str, Any] = {"named": wanted.model_id, "request": noted(wanted)}
        if model.card is None:
            params = translate.plain_parameters(wanted)
            unrunnable = Unrunnable(model.target, params, model.missing(wanted.model_id))
            return await self._host.submit_failed(request, unrunnable, **words), ()
        schema = self._service.catalog.schema(model.target, lasting=True)
        fitted = translate.parameters(wanted, schema)
        body = {"model": model.target, **fitted.body}
        return await self._host.submit(request, body, **words), fitted.notes

    async def _forgotten(self, job_id: str) -> dict[str, Any]:
        """
        Raises:
            JobNotFound: there is no image of it either.
        """
        images = await self._service.pictures.of_job(job_id)
        if not images:
            raise JobNotFound(f"There is no job {shortened(job_id)!r}.")
        return translate.forgotten_state([*map(image_object, images)])

    async def _image(self, image_id: str) -> ImageRecord:
        """
        Raises:
            ImageNotFound
        """
        try:
            return await self._service.pictures.named(translate.filename(image_id))
        except ImageNotFound:
            raise ImageNotFound(f"There is no image {shortened(image_id)!r}.") from None

    async def _listed(self, images: list[ImageRecord]) -> list[dict[str, Any]]:
        jobs = await self._service.jobs_named({image.job_id for image in images})
        found = []
        for image in images:
            job = jobs.get(image.job_id)
            model_id = image.model if job is None else self._host.model_name(job)
            found.append(translate.gallery_image(image_object(image), job, model_id))
        return found
