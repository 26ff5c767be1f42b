"""From a resolved request to a job that can be queued, or to a plan of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from server.catalog import Resolved
from server.errors import InvalidParameters, JobFailure
from server.generation import draw_seed
from server.jobs.store import IdempotencyKey
from server.records import Job, JobKind, JobStatus, Origin, new_job_id, now
from server.wording import shortened


@dataclass(frozen=True, slots=True)
class Plan:
    """What a request would run. `expected_seconds` is learned from the model's newest images."""

    model: str
    family: str
    params: dict[str, Any]
    warnings: tuple[str, ...]
    needs_load: bool
    expected_seconds: float | None


@dataclass(frozen=True, slots=True)
class Unrunnable:
    """A request that cannot run.

    Attributes:
        model: the model that there is not.
        params: what is known of the request, by our words; at least `prompt`.
        failure: why it cannot run.
    """

    model: str
    params: Mapping[str, Any]
    failure: JobFailure


def plan(resolved: Resolved, rate: float | None, *, needs_load: bool) -> Plan:
    """What `new_job` would run. `rate`: seconds per step and pixel, None without history."""
    params = resolved.params
    work, seconds = params.work, None
    if rate is not None and work is not None:
        seconds = round(rate * work, 2)
    return Plan(
        model=resolved.card.id,
        family=resolved.family.name,
        params=params.model_dump(mode="json"),
        warnings=resolved.warnings,
        needs_load=needs_load,
        expected_seconds=seconds,
    )


def new_job(resolved: Resolved, origin: Origin, folder: str | None = None) -> Job:
    """A job from `origin`, its seed drawn: the recipe is complete before it is queued.

    `folder`: see `Job`.
    """
    params = resolved.params.model_dump(mode="json")
    if params["seed"] is None:
        params["seed"] = draw_seed()
    moment = now()
    return Job(
        id=new_job_id(moment),
        kind=JobKind.GENERATE,
        status=JobStatus.QUEUED,
        model=resolved.card.id,
        family=resolved.family.name,
        params=params,
        warnings=resolved.warnings,
        created_at=moment,
        origin=origin,
        folder=folder,
    )


def failed_job(request: Unrunnable, origin: Origin) -> Job:
    """A job from `origin` that has failed before it began."""
    moment = now()
    return Job(
        id=new_job_id(moment),
        kind=JobKind.GENERATE,
        status=JobStatus.FAILED,
        model=shortened(request.model),
        family="",
        params=dict(request.params),
        warnings=(),
        created_at=moment,
        origin=origin,
        finished_at=moment,
        error_code=request.failure.code,
        error_message=request.failure.message,
    )


def idempotency_key(key: str | None, scope: str, body: Mapping[str, Any]) -> IdempotencyKey | None:
    """A client's key with what it stands for; None without one.

    Raises:
        InvalidParameters: it is empty or too long.
    """
    if key is None:
        return None
    if not 1 <= len(key) <= 255:
        problem = {"loc": ["Idempotency-Key"], "msg": "must have 1 to 255 characters"}
        raise InvalidParameters([{**problem, "type": "string_length"}])
    canonical = json.dumps(body, sort_keys=True).encode()
    return IdempotencyKey(scope, key, hashlib.sha256(canonical).hexdigest())
