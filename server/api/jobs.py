"""Jobs: list, look at, cancel, forget."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from server.api import schemas
from server.api.dependencies import Cursor, JobId, Limit, Service
from server.api.refusals import refusals
from server.callers import Scope
from server.errors import InvalidParameters, JobAlreadyEnded, JobNotFound
from server.http.access import needs
from server.http.auth import need
from server.http.guard import caller_of
from server.http.routes import router as guarded_router
from server.key_errors import ScopeMissing
from server.records import Job, JobKind, JobStatus
from server.wording import shown

router = guarded_router(tags=["jobs"])


@router.get(
    "/api/jobs",
    summary="List jobs",
    responses={200: {"model": schemas.JobPage}, **refusals(InvalidParameters)},
)
@needs(Scope.READ)
async def list_jobs(
    service: Service,
    status: Annotated[JobStatus | None, Query(description="Only jobs in this state.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> JSONResponse:
    """Lists jobs as snapshots, newest first."""
    found, next_cursor = await service.jobs(status=status, limit=limit, cursor=cursor)
    jobs = [snapshot.as_dict() for snapshot in found]
    return JSONResponse({"jobs": jobs, "next_cursor": next_cursor})


@router.get(
    "/api/jobs/{job_id}",
    summary="One job",
    responses={200: {"model": schemas.JobDetail}, **refusals(JobNotFound)},
)
@needs(Scope.READ)
async def show_job(service: Service, job_id: JobId) -> JSONResponse:
    """Shows the job's newest snapshot and the complete parameters it runs with."""
    job, snapshot = await service.job(job_id)
    return JSONResponse({**snapshot.as_dict(), "params": _params(job)})


@router.post(
    "/api/jobs/{job_id}/cancel",
    summary="Cancel a job",
    responses={
        200: {"model": schemas.Snapshot},
        **refusals(JobNotFound, JobAlreadyEnded, ScopeMissing),
    },
)
@needs(Scope.GENERATE)
async def cancel_job(request: Request, service: Service, job_id: JobId) -> JSONResponse:
    """Cancels a queued or running job, within one step, and answers with its snapshot. Images it
    has finished stay in the gallery. Other callers' jobs are for keys with the scope `admin`."""
    job, _ = await service.job(job_id)
    caller = caller_of(request)
    if job.origin.client != caller.id:
        need(caller, Scope.ADMIN)
    snapshot = await service.cancel(job_id)
    return JSONResponse(snapshot.as_dict())


@router.delete(
    "/api/jobs/{job_id}",
    status_code=204,
    summary="Delete a job",
    responses={204: {"description": "The job is gone."}, **refusals(JobNotFound)},
)
@needs(Scope.ADMIN)
async def delete_job(service: Service, job_id: JobId) -> Response:
    """Removes a job from the history; a queued or running one is cancelled first. Its images stay
    in the gallery."""
    await service.delete_job(job_id)
    return Response(status_code=204)


def _params(job: Job) -> dict[str, Any]:
    """A job's parameters as they may be shown: the query of an address may hold a key."""
    if job.kind is JobKind.DOWNLOAD:
        return {**job.params, "ref": shown(job.params["ref"])}
    return job.params
