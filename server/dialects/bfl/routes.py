"""The endpoints, in both vocabularies."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from server.callers import Scope
from server.dialects.bfl import history, photograph, task
from server.dialects.bfl.courier import Courier
from server.dialects.bfl.errors import render
from server.dialects.bfl.options import Options
from server.dialects.bfl.protocol import EXAMPLE, HistoryEntry, Order, Trouble
from server.dialects.bfl.submission import Counter
from server.dialects.bfl.task import Task
from server.dialects.bfl.vocabulary import DOCUMENT, OWN, Vocabulary
from server.errors import ImageNotFound, JobNotFound
from server.http.access import needs, serves_image
from server.http.faces import Face, Faces
from server.http.files import derived_file, immutable_file
from server.http.host import DialectHost
from server.http.json_model import described
from server.records import JOB_ID, image_filename
from server.wording import shortened

#: Names of files under `/outputs/`.
OUTPUT = re.compile(rf"flux_({JOB_ID.pattern})\.(png|jpe?g)")

#: How requests are refused, whatever they are for.
REFUSALS: dict[int | str, dict[str, Any]] = {
    403: {"model": Trouble, "description": "The key is missing, wrong, or not for this."},
    "default": {"model": Trouble, "description": "Any other error."},
}

#: How requests for images are refused.
SUBMISSION_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Trouble, "description": "The body is no JSON."},
    404: {"model": Trouble, "description": "There is no such model; the message names those."},
    415: {"model": Trouble, "description": "The body is declared as something else than JSON."},
    413: {"model": Trouble, "description": "The body is too large."},
    422: {"model": Trouble, "description": "A parameter is not as it should be."},
    429: {"model": Trouble, "description": "A limit is reached; `Retry-After` says how long."},
    503: {"model": Trouble, "description": "The server cannot take it now; try again later."},
}


class _ModelName(StringConvertor):
    """A model's name in a path, as far as the path is not somebody else's."""

    regex = r"(?!(?:models|images|get_result)(?:/|$))[^/]+"


register_url_convertor("bfl_model", _ModelName())


def build(host: DialectHost) -> Faces:
    """The dialect's addresses; see `server.plugins.types.Dialect`."""
    options = host.options if isinstance(host.options, Options) else Options()
    private = options.allow_private_webhooks

    def router(words: Vocabulary, prefix: str = "", *, gallery: bool) -> APIRouter:
        made = host.router(render, prefix=prefix, responses=REFUSALS)
        _add_tasks(made, host, Counter(host, words, allow_private=private), words)
        if gallery:
            _add_history(made, host)
            _add_outputs(made, host)
        return made

    return Faces(
        main=(
            Face(router(DOCUMENT, gallery=True), render, ("/v1", "/history", "/outputs")),
            Face(router(OWN, "/bfl", gallery=False), render, ("/bfl",)),
        ),
        own=lambda: Face(router(OWN, gallery=True), render),
        lifespan=Courier(host, allow_private=private).at_work,
    )


def _add_tasks(router: APIRouter, host: DialectHost, counter: Counter, words: Vocabulary) -> None:
    """Handing in and polling."""
    names = sorted(host.model_names())

    @router.post(
        "/v1/{model:bfl_model}",
        summary="Generate an image",
        response_model=words.accepted_model,
        responses=SUBMISSION_REFUSALS,
        openapi_extra=described(Order.model_json_schema(), EXAMPLE),
    )
    @needs(Scope.GENERATE, takes_images=True)
    async def generate(
        request: Request,
        model: str = Path(description="The model.", json_schema_extra={"enum": [*names]}),
    ) -> JSONResponse:
        """Hands a request in. Poll `polling_url` until the image is ready, or name a
        `webhook_url`. Values that the model does not take are bent to the nearest that it does."""
        accepted = await counter.submit(request, model)
        url = f"{host.base_url(request)}{router.prefix}/v1/get_result?id={accepted.job_id}"
        return JSONResponse(words.accepted(accepted.job_id, url))

    @router.get(
        "/v1/get_result",
        summary="Get a result",
        response_model=words.polled_model,
        responses={404: {"model": words.missing_model, "description": "There is no such task."}},
    )
    @serves_image
    async def get_result(
        request: Request,
        task_id: Annotated[
            str,
            Query(alias="id", description="The task.", examples=["20260121_115610_abcd1234"]),
        ],
    ) -> JSONResponse:
        """Tells how far a task is, whichever API it came through. Whoever knows the id may ask."""
        found = await _task(host, task_id, words)
        if found is None:
            text = f"There is no task {shortened(task_id)!r}, or its image was deleted."
            return JSONResponse(words.missing(task_id, text), 404)
        sample = f"{host.base_url(request)}/outputs/{found.file}"
        return JSONResponse(words.polled(found, sample))


def _add_history(router: APIRouter, host: DialectHost) -> None:
    @router.get(
        "/history",
        summary="The gallery",
        response_model=list[HistoryEntry],
        responses={422: {"model": Trouble, "description": "A parameter is not as it should be."}},
    )
    @needs(Scope.READ)
    async def show_history(
        request: Request,
        limit: Annotated[int, Query(description="How many; brought to 1 to 200.")] = 50,
        offset: Annotated[int, Query(description="How many to pass over.")] = 0,
        query: Annotated[
            str | None, Query(description="Words that all begin a word of the prompt.")
        ] = None,
    ) -> JSONResponse:
        """Lists finished images, newest first: of every task, whichever API it came through, the
        first one."""
        base = host.base_url(request)
        return JSONResponse(await history.page(host, base, limit=limit, offset=offset, query=query))


def _add_outputs(router: APIRouter, host: DialectHost) -> None:
    @router.get(
        "/outputs/{filename}",
        summary="An image",
        response_class=Response,
        responses={
            200: {"description": "The image.", "content": {"image/png": {}, "image/jpeg": {}}},
            206: {"description": "The part that `Range` asks for."},
            304: {"description": "It is what `If-None-Match` names."},
            404: {"model": Trouble, "description": "There is no such image."},
            416: {"model": Trouble, "description": "No byte of the range exists."},
        },
    )
    @router.head("/outputs/{filename}", include_in_schema=False)
    @serves_image
    async def show_output(request: Request, filename: str) -> Response:
        """Serves an image, as PNG or JPEG. It never changes: cache it for good. Understands
        `Range` and `If-None-Match`."""
        path, is_png = await _output(host, filename)
        if is_png:
            return await immutable_file(request, path, "image/png")
        return await derived_file(request, path, "image/jpeg", photograph.jpeg)


async def _output(host: DialectHost, filename: str) -> tuple[FilePath, bool]:
    """The file of an image, and whether it is wanted as it is.

    Raises:
        ImageNotFound: in this API's words.
    """
    name = OUTPUT.fullmatch(filename)
    if name is not None:
        with contextlib.suppress(ImageNotFound):
            return await host.service.pictures.file(image_filename(name[1], 0)), name[2] == "png"
    raise ImageNotFound(f"There is no image {shortened(filename)!r}.")


async def _task(host: DialectHost, task_id: str, words: Vocabulary) -> Task | None:
    """What is known of a task; its image is as good as a job that is forgotten."""
    if not JOB_ID.fullmatch(task_id):
        return None
    try:
        job, snapshot = await host.service.job(task_id)
        return task.of_job(job, snapshot)
    except JobNotFound:
        pass
    try:
        image = await host.service.pictures.named(image_filename(task_id, 0))
    except ImageNotFound:
        return None
    return task.of_image(image, words.output_format)
