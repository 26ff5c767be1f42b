"""Submitting jobs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Header, Query
from starlette.requests import Request
from starlette.responses import JSONResponse

from server.api import schemas
from server.api.dependencies import Limiter, OptionalText, Service
from server.api.refusals import refusals
from server.callers import Scope
from server.errors import (
    BodyTooLarge,
    IdempotencyConflict,
    InvalidParameters,
    MalformedRequest,
    QueueFull,
    ShuttingDown,
    UnsupportedMediaType,
)
from server.http.access import needs
from server.http.guard import caller_of
from server.http.request_body import read_request
from server.http.routes import router as guarded_router
from server.limit_errors import QuotaExceeded, RateLimited
from server.records import NATIVE
from server.snapshots import JobSnapshot

router = guarded_router(tags=["jobs"])


@router.post(
    "/api/generate",
    status_code=202,
    summary="Submit a job",
    responses={
        200: {"model": schemas.Plan, "description": "`dry_run`: what would run."},
        202: {"model": schemas.Accepted, "description": "The job is stored and waits."},
        **refusals(
            MalformedRequest,
            BodyTooLarge,
            UnsupportedMediaType,
            InvalidParameters,
            IdempotencyConflict,
            RateLimited,
            QuotaExceeded,
            QueueFull,
            ShuttingDown,
        ),
    },
)
@needs(Scope.GENERATE, takes_images=True)
async def generate(
    request: Request,
    service: Service,
    limiter: Limiter,
    dry_run: Annotated[
        bool, Query(description="Answer 200 with what would run, and run nothing.")
    ] = False,
    idempotency_key: Annotated[
        OptionalText,
        Header(
            alias="Idempotency-Key",
            description="A retry with the same key and body returns the first job (24 hours).",
        ),
    ] = None,
) -> JSONResponse:
    """Queues a job. The body holds one model's parameters as `/api/info` publishes them, and
    optionally `model` (absent: the current model). Follow the job at `sse_url`.

    `seed: null` draws a seed, which becomes part of the recipe. Words that only other models use
    are ignored and named in `warnings`."""
    body = await read_request(request, service.catalog.image_words)
    if dry_run:
        return JSONResponse(asdict(await service.plan(body)))
    caller = caller_of(request)
    snapshot = await service.submit(
        body,
        idempotency_key=idempotency_key or None,
        caller=caller,
        room=limiter.place(NATIVE, caller),
    )
    return JSONResponse(accepted(snapshot), status_code=202)


def accepted(snapshot: JobSnapshot) -> dict[str, Any]:
    """The answer to a request that became a job."""
    return {
        "job_id": snapshot.job_id,
        "status": snapshot.status.value,
        "queue_position": snapshot.queue_position,
        "sse_url": f"/api/sse/{snapshot.job_id}",
        "job_url": f"/api/jobs/{snapshot.job_id}",
        "warnings": list(snapshot.warnings),
    }
