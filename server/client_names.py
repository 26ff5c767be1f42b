"""What the clients of an API call models, in SQL: a job keeps the name that its client used, and
others' jobs go by the model's id."""

from __future__ import annotations

from sqlalchemy import ColumnElement, String, case, func, select, type_coerce

from server.database import images, jobs


def of_job(dialect: str) -> ColumnElement[str]:
    """What the clients of `dialect` call the model of a row of `jobs`."""
    is_theirs = (jobs.c.dialect == dialect) & jobs.c.client_model.is_not(None)
    return case((is_theirs, jobs.c.client_model), else_=jobs.c.model)


def of_image(dialect: str) -> ColumnElement[str]:
    """What the clients of `dialect` call the model of a row of `images`."""
    theirs = select(jobs.c.client_model).where(
        jobs.c.id == images.c.job_id, jobs.c.dialect == dialect
    )
    return type_coerce(func.coalesce(theirs.scalar_subquery(), images.c.model), String)
