"""The routes of the API: which endpoint answers where, and how each is described."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from server.dialects.cyberimage import protocol
from server.dialects.cyberimage.described import WITH_BODY, enrich_body, generate_body, responses
from server.dialects.cyberimage.endpoints import Api
from server.dialects.cyberimage.refusal import render
from server.errors import ImageNotFound, InvalidParameters, JobNotFound, RangeNotSatisfiable
from server.http.faces import Face, Faces
from server.http.host import DialectHost
from server.limit_errors import TooManyRequests

#: Where the API stands on the main port.
PREFIX = "/cyberimage"


def build(host: DialectHost) -> Faces:
    """The API below its prefix on the main port, and at the root of its own."""
    api = Api(host)
    main = Face(_routes(host, api, PREFIX), render, (PREFIX,))
    return Faces((main,), lambda: Face(_routes(host, api, ""), render))


def _routes(host: DialectHost, api: Api, prefix: str) -> APIRouter:
    router = host.router(render, prefix=f"{prefix}/api", tags=[host.title])
    _add_jobs(router, api)
    _add_images(router, api)
    _add_queue(router, api)
    return router


def _add_jobs(router: APIRouter, api: Api) -> None:
    router.add_api_route(
        "/models", api.list_models, responses=responses(protocol.ModelList, "models")
    )
    router.add_api_route(
        "/generate",
        api.generate,
        methods=["POST"],
        responses=responses(protocol.Accepted, "generate", errors=(*WITH_BODY, TooManyRequests)),
        openapi_extra=generate_body(api.model_ids),
    )
    states = ("status_processing", "status_completed")
    router.add_api_route(
        "/status/{job_id}",
        api.show_status,
        responses=responses(protocol.JobState, *states, errors=(JobNotFound,)),
    )
    router.add_api_route(
        "/enrich",
        api.enrich,
        methods=["POST"],
        responses=responses(protocol.Enriched, "enrich", errors=WITH_BODY),
        openapi_extra=enrich_body(),
    )


def _add_images(router: APIRouter, api: Api) -> None:
    unknown = (ImageNotFound,)
    for method in ("GET", "HEAD"):
        router.add_api_route(
            "/get_image/{image_id}",
            api.show_image,
            methods=[method],
            response_class=Response,
            responses=responses(None, errors=(ImageNotFound, RangeNotSatisfiable)),
            include_in_schema=method == "GET",
        )
    router.add_api_route(
        "/image/{image_id}/metadata",
        api.show_metadata,
        responses=responses(protocol.Metadata, "metadata", errors=unknown),
    )
    router.add_api_route(
        "/image/{image_id}",
        api.delete_image,
        methods=["DELETE"],
        responses=responses(protocol.Done, "deleted", errors=unknown),
    )
    router.add_api_route(
        "/gallery",
        api.show_gallery,
        responses=responses(protocol.GalleryPage, "gallery", errors=(InvalidParameters,)),
    )


def _add_queue(router: APIRouter, api: Api) -> None:
    counted = ("queue", "queue_detailed")
    router.add_api_route(
        "/queue",
        api.show_queue,
        responses=responses(protocol.Queue, *counted, errors=(InvalidParameters,)),
    )
    router.add_api_route(
        "/reset_queue",
        api.reset_queue,
        methods=["POST"],
        responses=responses(protocol.Reset, "reset"),
    )
