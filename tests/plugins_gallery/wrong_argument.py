"""Names an argument that the hook does not have."""

from darkroom import hookimpl

__version__ = "9.8.7"


@hookimpl
def job_finished(jobs):
    """Note the plural."""
