"""Server-sent events: one job, all live jobs, new images.

Every event is unnamed, so that `EventSource.onmessage` sees it, and has an id.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

from sse_starlette import ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response

from server.api.dependencies import JobId, LastEventId, OpenStreams, Service
from server.api.refusals import refusals
from server.callers import Scope
from server.errors import JobNotFound, TooManyStreams
from server.http.access import needs
from server.http.guard import Guard, Item
from server.http.routes import router as guarded_router
from server.http.sse import EventStream
from server.records import ImageRecord, image_object
from server.snapshots import JobSnapshot

router = guarded_router(tags=["streams"])

#: A row number that SQLite can hold.
ROW_NUMBER = re.compile(r"[0-9]{1,18}")


def _events(schema: str, example_id: str) -> dict[int | str, dict[str, Any]]:
    """How the documentation shows a stream of `schema` objects."""
    data = f"id: {example_id}\ndata: {{…}}\n\n"
    return {
        200: {
            "description": f"Unnamed events; the data of each is a `{schema}` as JSON.",
            "content": {"text/event-stream": {"example": data}},
        },
        **refusals(TooManyStreams),
    }


@router.get(
    "/api/sse/jobs",
    summary="Follow all jobs",
    response_class=Response,
    responses=_events("Snapshot", "20260121_115610_abcd1234:1.7"),
)
@needs(Scope.READ)
async def follow_jobs(request: Request, service: Service, streams: OpenStreams) -> EventStream:
    """Streams the snapshots of all live jobs: the current ones at once, then each job's newest.
    The stream ends with the server. An event's id is `{job_id}:{attempt}.{seq}`."""
    return EventStream(_all_jobs(_permitted(request, service.watch_jobs())), streams)


@router.get(
    "/api/sse/gallery",
    summary="Follow the gallery",
    response_class=Response,
    responses=_events("Image", "42"),
)
@needs(Scope.READ)
async def follow_gallery(
    request: Request, service: Service, streams: OpenStreams, last_event_id: LastEventId
) -> EventStream:
    """Streams every new image as `/api/images` shows it. An event's id is the image's number: a
    client that reconnects with `Last-Event-ID` gets what it missed, a first connection nothing
    old. The stream ends with the server."""
    images = await service.watch_images(_row_number(last_event_id))
    return EventStream(_new_images(_permitted(request, images)), streams)


@router.get(
    "/api/sse/{job_id}",
    summary="Follow a job",
    response_class=Response,
    responses={
        **_events("Snapshot", "1.7"),
        204: {"description": "`Last-Event-ID` is the final revision: there is nothing more."},
        **refusals(JobNotFound),
    },
)
@needs(Scope.READ)
async def follow_job(
    request: Request,
    service: Service,
    streams: OpenStreams,
    last_event_id: LastEventId,
    job_id: JobId,
) -> Response:
    """Streams the job's current snapshot at once, then the newest whenever the client is ready to
    read: a slow one skips steps. The last event has a terminal status; then the stream ends. An
    event's id is `{attempt}.{seq}`."""
    _, snapshot = await service.job(job_id)
    if snapshot.status.ended and last_event_id == snapshot.revision:
        return Response(status_code=204)
    snapshots = _permitted(request, await service.watch(job_id))
    return EventStream(_one_job(snapshots), streams)


def _permitted(request: Request, items: AsyncIterator[Item]) -> AsyncIterator[Item]:
    """What the caller may see, until their key is revoked."""
    guard: Guard = request.app.state.guard
    return guard.while_admitted(request, Scope.READ, items)


async def _one_job(snapshots: AsyncIterator[JobSnapshot]) -> AsyncIterator[ServerSentEvent]:
    async for snapshot in snapshots:
        yield ServerSentEvent(snapshot.json, id=snapshot.revision)


async def _all_jobs(snapshots: AsyncIterator[JobSnapshot]) -> AsyncIterator[ServerSentEvent]:
    async for snapshot in snapshots:
        yield ServerSentEvent(snapshot.json, id=f"{snapshot.job_id}:{snapshot.revision}")


async def _new_images(images: AsyncIterator[ImageRecord]) -> AsyncIterator[ServerSentEvent]:
    async for image in images:
        data = json.dumps(image_object(image), separators=(",", ":"))
        yield ServerSentEvent(data, id=str(image.id))


def _row_number(event_id: str | None) -> int | None:
    """What a client claims to have seen; None when it is no id of ours."""
    return int(event_id) if event_id and ROW_NUMBER.fullmatch(event_id) else None
