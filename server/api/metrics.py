"""Numbers for Prometheus."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import datetime

from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server import callers
from server.api.dependencies import OpenStreams, Service
from server.http.access import needs
from server.http.routes import router as guarded_router
from server.jobs.manager import QueueState
from server.records import JobKind
from server.service import GenerationService
from server.snapshots import JobSnapshot

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
TEXT = {"text/plain": {"schema": {"type": "string"}}}
BUCKETS = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800)


class Metrics:
    """One server's numbers. Gauges are set when somebody asks; only what cannot be asked for later
    is counted as it happens."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._registry = registry
        self._jobs = Gauge("darkroom_jobs", "Jobs by state.", ["status"], registry=registry)
        self._depth = Gauge("darkroom_queue_depth", "Jobs that wait.", registry=registry)
        self._images = Gauge("darkroom_images", "Images in the gallery.", registry=registry)
        self._streams = Gauge("darkroom_sse_subscribers", "Open streams.", registry=registry)
        self._seconds = Histogram(
            "darkroom_job_seconds",
            "From start to end of a job, by how it ended.",
            ["status"],
            buckets=BUCKETS,
            registry=registry,
        )
        self._requests = Counter(
            "darkroom_http_requests",
            "Requests by method, route and status.",
            ["method", "route", "status"],
            registry=registry,
        )

    def text(self, queue: QueueState, images: int, streams: int) -> bytes:
        """Everything in Prometheus' text format."""
        self._depth.set(queue.pending)
        self._images.set(images)
        self._streams.set(streams)
        counts = {
            "queued": queue.pending,
            "processing": queue.running,
            "completed": queue.completed,
            "failed": queue.failed,
            "cancelled": queue.cancelled,
        }
        for status, count in counts.items():
            self._jobs.labels(status).set(count)
        return generate_latest(self._registry)

    def count_request(self, scope: Scope, status: int) -> None:
        """Note an answer. Labels are ours, never the client's words: those have no bound."""
        method = scope["method"] if scope["method"] in METHODS else "other"
        route = getattr(scope.get("route"), "path_format", "unmatched")
        self._requests.labels(method, route, str(status)).inc()

    def observe_job(self, snapshot: JobSnapshot) -> None:
        """Note how long a job of the queue ran, when it has ended and ever started."""
        if snapshot.kind == JobKind.DOWNLOAD:
            return
        if not snapshot.status.ended or not snapshot.started_at or not snapshot.finished_at:
            return
        started, finished = map(datetime.fromisoformat, (snapshot.started_at, snapshot.finished_at))
        self._seconds.labels(snapshot.status.value).observe((finished - started).total_seconds())

    async def observe(self, service: GenerationService) -> None:
        """Follow all jobs until the server stops."""
        async for snapshot in service.watch_jobs():
            self.observe_job(snapshot)


class RequestCounter:
    """Counts every request with the status of its answer."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        status = 500

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        finally:
            self._metrics.count_request(scope, status)


@contextlib.asynccontextmanager
async def _observing(app: FastAPI) -> AsyncIterator[None]:
    observer = asyncio.create_task(app.state.metrics.observe(app.state.service))
    try:
        yield
    finally:
        observer.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await observer


router = guarded_router(tags=["system"], lifespan=_observing)


@router.get(
    "/metrics",
    summary="Metrics",
    response_class=Response,
    responses={200: {"description": "Samples.", "content": TEXT}},
)
@needs(callers.Scope.READ)
async def metrics(request: Request, service: Service, streams: OpenStreams) -> Response:
    """Numbers in Prometheus' text format: jobs, queue, images, streams, requests, durations."""
    page = await service.pictures.page(limit=1)
    numbers: Metrics = request.app.state.metrics
    text = numbers.text(await service.queue(), page.total, streams.open)
    return Response(text, media_type=CONTENT_TYPE_LATEST)
