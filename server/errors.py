"""Every error Darkroom raises on purpose, as one tree.

    DarkroomError
    ├── RequestError              the client can mend it
    │   ├── MalformedRequest          400  malformed_request
    │   ├── ForeignHost               403  foreign_host
    │   ├── ForeignOrigin             403  foreign_origin
    │   ├── NotFound                  404  not_found
    │   │   ├── JobNotFound                job_not_found
    │   │   ├── ImageNotFound              image_not_found
    │   │   └── ModelNotFound              model_not_found
    │   ├── MethodNotAllowed          405  method_not_allowed
    │   ├── JobAlreadyEnded           409  job_already_ended
    │   ├── BodyTooLarge              413  body_too_large
    │   ├── UnsupportedMediaType      415  unsupported_media_type
    │   ├── RangeNotSatisfiable       416  range_not_satisfiable
    │   ├── InvalidParameters         422  invalid_parameters
    │   ├── MalformedReference        422  malformed_reference
    │   └── IdempotencyConflict       422  idempotency_conflict
    ├── Unavailable               503  the server cannot take it now
    │   ├── QueueFull                      queue_full
    │   ├── ShuttingDown                   shutting_down
    │   ├── TooManyStreams                 too_many_streams
    │   └── DatabaseUnavailable             database_unavailable
    ├── JobFailure                what a job can fail with; the code stands in its snapshot
    │   ├── ModelLoadFailed                model_load_failed
    │   ├── GenerationFailed               generation_failed
    │   ├── OutOfMemory                    out_of_memory
    │   ├── PluginFailed                   plugin_failed
    │   ├── StorageFailed                  storage_failed
    │   ├── SourceFailed                   source_failed, and its kinds: `server.source_errors`
    │   ├── WorkerUnavailable              worker_unavailable
    │   ├── WorkerLostTooOften             worker_lost
    │   └── Quarantined                    quarantined
    ├── StartupError              the server or a command does not start
    │   ├── ConfigurationError             configuration_error
    │   ├── FolderUnusable                 folder_unusable
    │   ├── FolderInUse                    folder_in_use
    │   ├── DatabaseUnreadable             database_unreadable
    │   └── AddressUnusable                address_unusable
    └── WorkerLost                    internal: the worker process ended while it was needed

`code` is the machine's word and never changes; `status` is the HTTP status of a request that
meets it; the message is for people and says what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from server.wording import summary


class DarkroomError(Exception):
    """The root of the tree: something went wrong that no other code describes."""

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.title)

    @property
    def message(self) -> str:
        """What happened and what to do about it, for people."""
        return str(self)

    @property
    def headers(self) -> dict[str, str]:
        """HTTP headers that belong to the answer."""
        return {}


class RequestError(DarkroomError):
    """The request is at fault; changing it helps."""

    code = "bad_request"
    status = 400
    title = "Bad request"


class MalformedRequest(RequestError):
    """The body is not the JSON object it should be."""

    code = "malformed_request"
    title = "Malformed request"


class ForeignHost(RequestError):
    """The Host header names a host that is neither loopback nor configured."""

    code = "foreign_host"
    status = 403
    title = "Foreign host"


class ForeignOrigin(RequestError):
    """An unsafe method came from a page of another origin."""

    code = "foreign_origin"
    status = 403
    title = "Foreign origin"


class NotFound(RequestError):
    """No such thing."""

    code = "not_found"
    status = 404
    title = "Not found"


class JobNotFound(NotFound):
    """No job has this id."""

    code = "job_not_found"
    title = "Job not found"


class ImageNotFound(NotFound):
    """No image has this file name."""

    code = "image_not_found"
    title = "Image not found"


class ModelNotFound(NotFound):
    """No model card has this id or alias."""

    code = "model_not_found"
    title = "Model not found"


class MethodNotAllowed(RequestError):
    """The path exists, but not with this method; the Allow header names those it has."""

    code = "method_not_allowed"
    status = 405
    title = "Method not allowed"

    def __init__(self, message: str = "", *, allow: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.allow = tuple(allow)

    @property
    def headers(self) -> dict[str, str]:
        return {"Allow": ", ".join(self.allow)}


class JobAlreadyEnded(RequestError):
    """The job is completed, failed or cancelled; there is nothing left to cancel."""

    code = "job_already_ended"
    status = 409
    title = "Job already ended"


class BodyTooLarge(RequestError):
    """The request body is over the limit."""

    code = "body_too_large"
    status = 413
    title = "Body too large"


class UnsupportedMediaType(RequestError):
    """The body is declared as something other than JSON."""

    code = "unsupported_media_type"
    status = 415
    title = "Unsupported media type"


class RangeNotSatisfiable(RequestError):
    """The Range header asks for bytes beyond the end; Content-Range tells the file's size."""

    code = "range_not_satisfiable"
    status = 416
    title = "Range not satisfiable"

    def __init__(self, message: str = "", *, size: int = 0) -> None:
        super().__init__(message)
        self.size = size

    @property
    def headers(self) -> dict[str, str]:
        return {"Content-Range": f"bytes */{self.size}"}


class InvalidParameters(RequestError):
    """Parameters the model does not accept.

    `errors` holds one `{"loc": [...], "msg": str, "type": str}` per problem.
    """

    code = "invalid_parameters"
    status = 422
    title = "Invalid parameters"

    def __init__(self, errors: list[dict[str, Any]], message: str = "") -> None:
        self.errors = errors
        super().__init__(message or summary(errors))


class MalformedReference(RequestError, ValueError):
    """A text that names no place where weights could lie; the message lists the forms."""

    code = "malformed_reference"
    status = 422
    title = "Malformed reference"


class IdempotencyConflict(RequestError):
    """The Idempotency-Key was used before with another body."""

    code = "idempotency_conflict"
    status = 422
    title = "Idempotency key used with another body"


class Unavailable(DarkroomError):
    """The server cannot take the request now; the same request may succeed later."""

    code = "unavailable"
    status = 503
    title = "Unavailable"

    def __init__(self, message: str = "", *, retry_after: int = 10) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after)}


class QueueFull(Unavailable):
    """The queue holds `max_queued` jobs."""

    code = "queue_full"
    title = "Queue full"


class ShuttingDown(Unavailable):
    """The server is stopping."""

    code = "shutting_down"
    title = "Shutting down"


class TooManyStreams(Unavailable):
    """`max_streams` event streams are open."""

    code = "too_many_streams"
    title = "Too many streams"


class DatabaseUnavailable(Unavailable):
    """The database can be neither read nor written now: the disk is full, say."""

    code = "database_unavailable"
    title = "Database unavailable"


class JobFailure(DarkroomError):
    """A reason for which a job fails."""

    code = "job_failed"
    title = "Job failed"


class ModelLoadFailed(JobFailure):
    """The family's `load` raised."""

    code = "model_load_failed"
    title = "The model could not be loaded"


class GenerationFailed(JobFailure):
    """The pipeline raised while it made an image."""

    code = "generation_failed"
    title = "The image could not be generated"


class OutOfMemory(JobFailure):
    """The device's memory did not suffice."""

    code = "out_of_memory"
    title = "Out of memory"


class PluginFailed(JobFailure):
    """A plugin broke the contract (wrong object loaded, too few images, a hook that raised)."""

    code = "plugin_failed"
    title = "A plugin is at fault"

    def __init__(self, message: str = "", *, provider: str = "") -> None:
        super().__init__(message)
        self.provider = provider  # the plugin's name; empty when it is not known


class StorageFailed(JobFailure):
    """An image could not be written (disk full, folder not writable)."""

    code = "storage_failed"
    title = "The image could not be stored"


class WorkerUnavailable(JobFailure):
    """The worker process does not start."""

    code = "worker_unavailable"
    title = "The worker does not start"


class WorkerLostTooOften(JobFailure):
    """The worker died three times while it ran this job."""

    code = "worker_lost"
    title = "The worker was lost three times on this job"


class Quarantined(JobFailure):
    """The server went down ten times in a row while it ran this job."""

    code = "quarantined"
    title = "The server went down ten times in a row on this job"


class StartupError(DarkroomError):
    """The server or a command cannot start; the message says what to change."""

    code = "startup_error"
    title = "Cannot start"


class ConfigurationError(StartupError):
    """A setting is unknown or has a value that cannot be used."""

    code = "configuration_error"
    title = "Configuration error"


class FolderUnusable(StartupError):
    """A folder cannot be created or written."""

    code = "folder_unusable"
    title = "Folder unusable"


class FolderInUse(StartupError):
    """Another server runs on this data folder."""

    code = "folder_in_use"
    title = "Data folder in use"


class DatabaseUnreadable(StartupError):
    """The database file is damaged, foreign, or from a newer Darkroom."""

    code = "database_unreadable"
    title = "Database unreadable"


class AddressUnusable(StartupError):
    """The address is taken, or not one to serve on without a key."""

    code = "address_unusable"
    title = "Address unusable"


class WorkerLost(DarkroomError):
    """The worker process ended while it was needed.

    `started` tells whether it had reported that it started the job: only then does the job count
    a loss. `detail` is the end of what the worker wrote to standard error.
    """

    code = "worker_process_lost"
    title = "The worker process ended"

    def __init__(self, message: str = "", *, started: bool = False, detail: str = "") -> None:
        super().__init__(message)
        self.started = started
        self.detail = detail


def all_errors(root: type[DarkroomError] = DarkroomError) -> list[type[DarkroomError]]:
    """A class and all below it, by status and code: in whatever order modules were imported."""
    below = {cls for child in root.__subclasses__() for cls in all_errors(child)}
    return sorted({root, *below}, key=lambda cls: (cls.status, cls.code))
