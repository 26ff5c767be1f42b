"""Where images are asked for and taken away, by a request or over a socket alike."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from starlette.requests import HTTPConnection

from server.dialects.krea import translate
from server.dialects.krea.protocol import Generated, GenerateRequest
from server.errors import DarkroomError, ImageNotFound
from server.http.host import DialectHost
from server.image_sources import data_uri
from server.records import JobStatus
from server.snapshots import JobSnapshot

logger = logging.getLogger(__name__)


class Studio:
    """Makes jobs of requests, and answers of jobs."""

    def __init__(self, host: DialectHost) -> None:
        self._host = host

    @property
    def model(self) -> str:
        """The id of the model that makes the images."""
        return self._host.model(None)[1].id

    async def submit(self, connection: HTTPConnection, request: GenerateRequest) -> JobSnapshot:
        """The job of a request; what its values were bent to is logged.

        Raises:
            InvalidParameters, QueueFull, QuotaExceeded, RateLimited, ShuttingDown
        """
        model = self.model
        schema = self._host.service.catalog.schema(model, lasting=True)
        fitted = translate.parameters(request, schema)
        job = await self._host.submit(connection, {"model": model, **fitted.body})
        if fitted.notes:
            logger.info("job %s: %s", job.job_id, " ".join(fitted.notes))
        return job

    async def result(self, job: JobSnapshot) -> Generated:
        """The image of a job that has ended.

        Raises:
            JobFailure, Unavailable: it has none.
            DarkroomError: it was deleted already.
        """
        if job.status is not JobStatus.COMPLETED:
            raise translate.failure(job)
        try:
            made = job.images[0]
            path = await self._host.service.pictures.file(made["filename"])
            image = await asyncio.to_thread(_read, path)
        except (IndexError, ImageNotFound, FileNotFoundError):
            raise DarkroomError("The image was deleted before it could be sent.") from None
        return Generated(success=True, image=image, duration=made["seconds"])


def _read(path: Path) -> str:
    return data_uri(path.read_bytes())
