"""Finished images as answers show them."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from server.dialects.openai import translate
from server.dialects.openai.options import Options
from server.dialects.openai.protocol import ImageRequest, OutputFormat
from server.errors import ImageNotFound
from server.http.files import derived_file, immutable_file
from server.http.host import DialectHost
from server.http.image_formats import base64_of, converted
from server.records import JOB_ID
from server.snapshots import JobSnapshot
from server.wording import shortened

#: The path of images, before their names.
FILES = "/v1/images/files"

#: The quality of JPEG and WebP where nothing is said of it, in percent.
QUALITY = 100

#: Names of images: those of the gallery, but that the end tells the format.
NAME = re.compile(rf"({JOB_ID.pattern}_\d{{1,9}})\.(png|jpeg|webp)")


class Prints:
    """Finished images, in the form and the format that requests want."""

    def __init__(self, host: DialectHost) -> None:
        options = host.options if isinstance(host.options, Options) else Options()
        self._host = host
        self._response_format = options.response_format

    async def answer(
        self, request: Request, asked: ImageRequest, ended: JobSnapshot
    ) -> dict[str, Any]:
        """The `ImagesResponse` to a request whose job has ended.

        Raises:
            JobFailure: it failed.
            JobAlreadyEnded: it was cancelled.
            ImageNotFound: its images were deleted meanwhile.
        """
        translate.check_end(ended)
        if (asked.response_format or self._response_format) == "url":
            base = f"{self._host.base_url(request)}{FILES}"
            data = [{"url": f"{base}/{_name(image, asked)}"} for image in ended.images]
        else:
            texts = [await self.inline(image, asked) for image in ended.images]
            data = [{"b64_json": text} for text in texts if text is not None]
        if not data:
            raise ImageNotFound(f"The images of job {ended.job_id} were deleted.")
        return translate.answer(ended, data, kind_of(asked))

    async def inline(self, image: Mapping[str, Any], asked: ImageRequest) -> str | None:
        """An image of a job in base64; None where it was deleted meanwhile."""
        kind, quality = kind_of(asked), _quality(asked)
        with contextlib.suppress(ImageNotFound, FileNotFoundError):
            path = await self._host.service.pictures.file(image["filename"])
            if kind == "png":
                return base64_of(await asyncio.to_thread(path.read_bytes))
            return base64_of(await asyncio.to_thread(converted, path, kind, quality))
        return None

    async def serve(self, request: Request, name: str, quality: int | None) -> Response:
        """An image at its address.

        Raises:
            ImageNotFound: there is none.
            RangeNotSatisfiable: no byte of the wanted range exists.
        """
        found = NAME.fullmatch(name)
        if found is None:
            raise ImageNotFound(f"There is no image {shortened(name)!r}.")
        path = await self._host.service.pictures.file(f"{found[1]}.png")
        match found[2]:
            case "png":
                return await immutable_file(request, path, "image/png")
            case "jpeg" | "webp" as kind:
                percent = QUALITY if quality is None else quality
                return await derived_file(
                    request, path, f"image/{kind}", lambda file: converted(file, kind, percent)
                )
        raise ImageNotFound(f"There is no image {shortened(name)!r}.")


def kind_of(asked: ImageRequest) -> OutputFormat:
    """The format that a request wants its images in."""
    return asked.output_format or "png"


def _quality(asked: ImageRequest) -> int:
    return QUALITY if asked.output_compression is None else asked.output_compression


def _name(image: Mapping[str, Any], asked: ImageRequest) -> str:
    kind, percent = kind_of(asked), asked.output_compression
    stem = str(image["filename"]).removesuffix(".png")
    said = "" if kind == "png" or percent is None else f"?compression={percent}"
    return f"{stem}.{kind}{said}"
