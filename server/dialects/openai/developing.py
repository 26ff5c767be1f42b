"""Images while they develop: the events that answer a request with `stream`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Literal

from sse_starlette import ServerSentEvent

from server.dialects.openai import refusals, translate
from server.dialects.openai.partials import Partials
from server.dialects.openai.prints import Prints, kind_of
from server.dialects.openai.protocol import ImageRequest, usage
from server.errors import ShuttingDown
from server.http.host import DialectHost
from server.http.image_formats import base64_of, converted
from server.http.translation import as_ours
from server.snapshots import JobSnapshot

#: How the names of events begin.
Kind = Literal["image_generation", "image_edit"]


class Developing:
    """One job, followed for the client that asked for it."""

    def __init__(
        self, host: DialectHost, prints: Prints, kind: Kind, asked: ImageRequest, job_id: str
    ) -> None:
        self._host = host
        self._prints = prints
        self._kind = kind
        self._asked = asked
        self._job_id = job_id
        self._partials = Partials(asked.partial_images or 0)
        self._done = 0
        self._told: dict[str, Any] = {}

    async def events(self) -> AsyncIterator[ServerSentEvent]:
        """The events up to the last image, or to the error that ends them. A job whose client goes
        away before is left."""
        is_over = False
        try:
            async for name, event in self._followed():
                yield _event(f"{self._kind}.{name}", event)
            is_over = True
        except Exception as error:  # noqa: BLE001 - the last event; unforeseen ones are logged
            is_over = True
            # Too late for a status: official clients take an event with `error` for one.
            yield _event("error", refusals.document(as_ours(error)))
        finally:
            if not is_over:
                await asyncio.shield(self._host.leave(self._job_id))

    def farewell(self) -> ServerSentEvent:
        """The last event where the server stops before the job has ended."""
        return _event("error", refusals.document(self._stopping()))

    async def _followed(self) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """
        Raises:
            DarkroomError: the job failed, was cancelled or deleted, nothing happened for
                `generation_timeout`, or the server stops.
        """
        job, _ = await self._host.service.job(self._job_id)
        self._told = {
            "background": "opaque",
            "output_format": kind_of(self._asked),
            "quality": "auto",
            "size": translate.written_size(job.params),
        }
        snapshots = await self._host.service.watch(self._job_id)
        while (snapshot := await self._next(snapshots)) is not None:
            async for event in self._news(snapshot):
                yield event
            if snapshot.status.ended:
                translate.check_end(snapshot)
                return
        raise self._stopping()

    def _stopping(self) -> ShuttingDown:
        return ShuttingDown(f"The server stops; the job {self._job_id} goes on if it has begun.")

    async def _next(self, snapshots: AsyncIterator[JobSnapshot]) -> JobSnapshot | None:
        """The next one; None after the last."""
        async with self._host.in_time(self._job_id):
            return await anext(snapshots, None)

    async def _news(self, snapshot: JobSnapshot) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """What a snapshot has that was not told yet."""
        for image in snapshot.images[self._done :]:
            self._done += 1
            text = await self._prints.inline(image, self._asked)
            if text is not None:
                yield "completed", self._told_of(snapshot, text, usage=usage())
        index = self._partials.choose(snapshot)
        if index is not None and snapshot.preview is not None:
            text = await self._preview(snapshot.preview)
            yield "partial_image", self._told_of(snapshot, text, partial_image_index=index)

    async def _preview(self, jpeg: bytes) -> str:
        kind = kind_of(self._asked)
        same = kind == "jpeg"
        return base64_of(jpeg if same else await asyncio.to_thread(converted, jpeg, kind))

    def _told_of(self, snapshot: JobSnapshot, image: str, **more: Any) -> dict[str, Any]:
        created = translate.seconds(snapshot.created_at)
        return {"b64_json": image, "created_at": created, **self._told, **more}


def _event(name: str, data: Mapping[str, Any]) -> ServerSentEvent:
    text = json.dumps({"type": name, **data}, separators=(",", ":"))
    return ServerSentEvent(text, event=name)
