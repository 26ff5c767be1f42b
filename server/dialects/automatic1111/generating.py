"""From a request for images to its answer."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from starlette.requests import Request

from server.dialects.automatic1111 import enlarging, translate
from server.dialects.automatic1111.checkpoints import Checkpoints, Chosen
from server.dialects.automatic1111.protocol import ExtraImage, ExtraSingleImage, Generation
from server.dialects.automatic1111.runs import Runs
from server.errors import ImageNotFound, InvalidParameters
from server.http.guard import caller_of
from server.http.host import DialectHost
from server.http.image_formats import base64_of
from server.plugins.types import ModelCard
from server.snapshots import JobSnapshot
from server.wording import shortened


class Generating:
    """Makes what requests ask for, and waits for it."""

    def __init__(self, host: DialectHost, checkpoints: Checkpoints, runs: Runs) -> None:
        self._host = host
        self._checkpoints = checkpoints
        self._runs = runs

    async def images(self, request: Request, asked: Generation, task: str) -> dict[str, Any]:
        """The answer to a request for images. A job that was stopped has those that it had made.

        Args:
            request: the HTTP request, its body read.
            asked: what it asks for.
            task: what `progress` calls it.

        Raises:
            InvalidParameters, ModelNotFound, RequestError: see `translate.parameters`.
            JobFailure: the job failed.
            DarkroomError: as `DialectHost.submit` and `finished` say.
        """
        host, chosen = self._host, await self._chosen(asked)
        fitted = translate.parameters(asked, host.service.catalog.schema(chosen.card.id))
        body = {"model": chosen.card.id, **fitted.body}
        accepted = await host.submit(request, body, named=chosen.named)
        self._runs.begin(caller_of(request).id, accepted.job_id, task)
        # Now, because retention may forget the job as soon as it has ended.
        job, _ = await host.service.job(accepted.job_id)
        ended = await host.finished(request, accepted.job_id)
        if ended.failure is not None:
            raise ended.failure
        images = await self._files(ended) if asked.send_images else []
        info = translate.info(asked, job, ended, host.model_name(job), fitted.notes)
        return translate.answer(asked, images, info)

    async def enlarged(self, request: Request, asked: ExtraSingleImage) -> ExtraImage:
        """The answer to a request for a larger image.

        Raises:
            InvalidParameters: there is no such upscaler, or no such image, or the result would be
                too large.
            JobFailure: the job failed.
            DarkroomError: as `DialectHost.submit` and `finished` say.
        """
        host, most = self._host, self._host.service.settings.max_image_pixels
        if asked.upscaler_1 in (enlarging.NONE, ""):
            same = await asyncio.to_thread(enlarging.unchanged, asked.image, most)
            return _extra(same, "unchanged")
        card = self._upscaler(asked.upscaler_1)
        size = await asyncio.to_thread(enlarging.size_of, asked.image, most)
        enlarging.check(asked, size, most)
        body = {
            "model": card.id,
            "init_image": translate.image_source(asked.image),
            "scale": enlarging.scale_for(asked, size),
        }
        accepted = await host.submit(request, body, named=card.id)
        self._runs.begin(caller_of(request).id, accepted.job_id, "extras")
        ended = await host.finished(request, accepted.job_id)
        if ended.failure is not None:
            raise ended.failure
        if not ended.images:  # it was stopped
            return _extra(None, card.title)
        path = await host.service.pictures.file(ended.images[0]["filename"])
        made = await asyncio.to_thread(enlarging.finished, path, asked, size)
        return _extra(made, card.title)

    def _upscaler(self, name: str) -> ModelCard:
        """
        Raises:
            InvalidParameters: there is none of this name.
        """
        for card in self._host.upscalers():
            if name.casefold() in (card.title.casefold(), card.id.casefold()):
                return card
        known = ", ".join([enlarging.NONE, *(card.title for card in self._host.upscalers())])
        text = f"could not find upscaler named {shortened(name)!r}; there are {known}"
        problem = {"loc": ["body", "upscaler_1"], "msg": text, "type": "upscaler_not_found"}
        raise InvalidParameters([problem])

    async def _chosen(self, asked: Generation) -> Chosen:
        name = asked.override_settings.get("sd_model_checkpoint")
        if name in (None, ""):
            return await self._checkpoints.in_use()
        if not isinstance(name, str):
            loc = ["body", "override_settings", "sd_model_checkpoint"]
            text = "Input should be a valid string"
            raise InvalidParameters([{"loc": loc, "msg": text, "type": "string_type"}])
        return self._checkpoints.find(name)

    async def _files(self, ended: JobSnapshot) -> list[str]:
        found = []
        for image in ended.images:
            # One that somebody deleted meanwhile is not there any more.
            with contextlib.suppress(ImageNotFound, FileNotFoundError):
                path = await self._host.service.pictures.file(image["filename"])
                found.append(base64_of(await asyncio.to_thread(path.read_bytes)))
        return found


def _extra(png: bytes | None, upscaler: str) -> ExtraImage:
    image = None if png is None else base64_of(png)
    return ExtraImage(html_info=f"<p>Upscaler: {upscaler}</p>", image=image)
