"""Raises in both observers."""

from darkroom import hookimpl

__version__ = "9.8.7"


@hookimpl
def job_finished(job):
    raise RuntimeError(f"cannot write down {job.job_id}")


@hookimpl
def image_added():
    raise RuntimeError("cannot upload")
