"""Requests for edits, read from a form or from JSON."""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from server.dialects.openai.protocol import MAX_IMAGES, Edit, ImageReference, JsonEdit
from server.dialects.openai.translate import refused
from server.errors import InvalidParameters, MalformedRequest
from server.http.json_model import read_model
from server.inputs import ImageRefused, decode
from server.wording import problems, shortened

#: How clients name the parts with images.
IMAGE = re.compile(r"image(\[\d{0,3}\])?")

#: Words whose values are no texts; in a form they are written as JSON.
NO_TEXTS = {
    "n",
    "output_compression",
    "stream",
    "partial_images",
    "seed",
    "steps",
    "num_inference_steps",
    "cfg_scale",
    "guidance_scale",
    "strength",
    "loras",
}

#: Files of a form; of one more we, not the parser, say what is wrong.
MAX_FILES = MAX_IMAGES + 2

#: Other parts of a form.
MAX_TEXTS = 100


@dataclass(frozen=True, slots=True)
class EditRequest:
    """A request for an edit: its words, the images, at least one, and the mask if it has one."""

    asked: Edit
    images: tuple[bytes, ...]
    mask: bytes | None = None


async def read_edit(request: Request) -> EditRequest:
    """Read the body.

    Raises:
        UnsupportedMediaType: it is neither a form nor JSON.
        MalformedRequest: it cannot be read as what it is declared as.
        InvalidParameters: something in it is not as it should be.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "multipart/form-data":
        return await _of_form(request)
    asked = await read_model(request, JsonEdit)
    images = [_inline(image, f"images.{place}") for place, image in enumerate(asked.images)]
    mask = None if asked.mask is None else _inline(asked.mask, "mask")
    return EditRequest(asked, tuple(images), mask)


async def _of_form(request: Request) -> EditRequest:
    try:
        form = await request.form(max_files=MAX_FILES, max_fields=MAX_TEXTS)
    except HTTPException as error:
        raise MalformedRequest(f"The form cannot be read: {error.detail}") from None
    texts: dict[str, Any] = {}
    images: list[bytes] = []
    masks: list[bytes] = []
    try:
        for name, part in form.multi_items():
            if IMAGE.fullmatch(name):
                images.append(await _bytes(part, "image"))
            elif name == "mask":
                masks.append(await _bytes(part, "mask"))
            elif isinstance(part, UploadFile):
                raise refused(shortened(name), "is not supported: files are `image` and `mask`")
            elif part:
                texts[name] = _value(name, part)
    finally:
        await form.close()
    _check_counts(images, masks)
    try:
        asked = Edit.model_validate(texts)
    except ValidationError as error:
        raise InvalidParameters(problems(error)) from None
    return EditRequest(asked, tuple(images), masks[0] if masks else None)


async def _bytes(part: UploadFile | str, word: str) -> bytes:
    """A part with an image: a file, or a text that is a data URI."""
    if isinstance(part, UploadFile):
        return await part.read()
    return _decoded(part, word)


def _value(name: str, text: str) -> Any:
    if name in NO_TEXTS:
        # What cannot be read stays a text, and is refused as one.
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(text.lower() if name == "stream" else text)
    return text


def _check_counts(images: list[bytes], masks: list[bytes]) -> None:
    """
    Raises:
        InvalidParameters: there are too few of something, or too many.
    """
    if not images:
        raise refused("image", "Field required", "missing")
    if len(images) > MAX_IMAGES:
        raise refused("image", f"there may be at most {MAX_IMAGES}")
    if len(masks) > 1:
        raise refused("mask", "there may be at most one")


def _inline(reference: ImageReference, word: str) -> bytes:
    if reference.image_url is None:
        text = "is needed: the image as a data URI (files are not kept here, `file_id` means none)"
        raise refused(f"{word}.image_url", text)
    return _decoded(reference.image_url, f"{word}.image_url")


def _decoded(text: str, word: str) -> bytes:
    """
    Raises:
        InvalidParameters: it is no data URI in base64.
    """
    if not re.match(r"data:[^,]{0,200};base64,", text, re.IGNORECASE):
        raise refused(
            word,
            "must be the image itself: a file in a form, or a data URI in base64; addresses are "
            "not fetched",
        )
    try:
        return decode(text)
    except ImageRefused as error:
        raise refused(word, str(error)) from None
