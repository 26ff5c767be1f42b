"""Jobs: list, look at, cancel, forget."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import JSONResponse, Response

from server.api import schemas
from server.api.dependencies import Cursor, Limit, Service
from server.api.refusals import refusals
from server.errors import InvalidParameters, JobAlreadyEnded, JobNotFound
from server.records import Job, JobKind, JobStatus
from server.wording import shown

router = APIRouter(tags=["jobs"])


@router.get(
    "/api/jobs",
    summary="List jobs",
    responses={200: {"model": schemas.JobPage}, **refusals(InvalidParameters)},
)
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
async def show_job(service: Service, job_id: str) -> JSONResponse:
    """Shows the job's newest snapshot and the complete parameters it runs with."""
    job, snapshot = await service.job(job_id)
    return JSONResponse({**snapshot.as_dict(), "params": _params(job)})


@router.post(
    "/api/jobs/{job_id}/cancel",
    summary="Cancel a job",
    responses={200: {"model": schemas.Snapshot}, **refusals(JobNotFound, JobAlreadyEnded)},
)
async def cancel_job(service: Service, job_id: str) -> JSONResponse:
    """Cancels a queued or running job, within one step, and answers with its snapshot. Images it
    has finished stay in the gallery."""
    snapshot = await service.cancel(job_id)
    return JSONResponse(snapshot.as_dict())


@router.delete(
    "/api/jobs/{job_id}",
    status_code=204,
    summary="Delete a job",
    responses={204: {"description": "The job is gone."}, **refusals(JobNotFound)},
)
async def delete_job(service: Service, job_id: str) -> Response:
    """Removes a job from the history; a queued or running one is cancelled first. Its images stay
    in the gallery."""
    await service.delete_job(job_id)
    return Response(status_code=204)


def _params(job: Job) -> dict[str, Any]:
    """A job's parameters as they may be shown: the query of an address may hold a key."""
    if job.kind is JobKind.DOWNLOAD:
        return {**job.params, "ref": shown(job.params["ref"])}
    return job.params
