"""What authors of dialects import: other servers' APIs, spoken on top of the same jobs.

A dialect is a plugin with a second function beside, or instead of, `register_model_families`::

    from darkroom.dialects import Dialect, hookimpl

    @hookimpl
    def register_dialects():
        return [Dialect(name="tiny", title="Tiny API", build="tiny:build")]

See `docs/how-to/write-a-dialect.md`.
"""

from server.callers import Caller, Scope, Tier
from server.errors import DarkroomError, InvalidParameters, JobFailure, RequestError
from server.fitting import (
    Fitted,
    fit,
    image_room,
    least_strength,
    placed,
    ratio_of,
    size_of_ratio,
)
from server.http.access import needs, open_to_all, serves_image
from server.http.faces import Face, Faces, Render
from server.http.files import immutable_file
from server.http.guard import caller_of
from server.http.host import DialectHost
from server.image_sources import data_uri
from server.plugins.spec import hookimpl
from server.plugins.types import Dialect
from server.records import ImageRecord, Job, JobStatus, Origin
from server.snapshots import JobSnapshot

__all__ = [
    "Caller",
    "DarkroomError",
    "Dialect",
    "DialectHost",
    "Face",
    "Faces",
    "Fitted",
    "ImageRecord",
    "InvalidParameters",
    "Job",
    "JobFailure",
    "JobSnapshot",
    "JobStatus",
    "Origin",
    "Render",
    "RequestError",
    "Scope",
    "Tier",
    "caller_of",
    "data_uri",
    "fit",
    "hookimpl",
    "image_room",
    "immutable_file",
    "least_strength",
    "needs",
    "open_to_all",
    "placed",
    "ratio_of",
    "serves_image",
    "size_of_ratio",
]
