"""A request for images: JSON, or a form with the JSON in one part and images in others."""

from __future__ import annotations

import base64
from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from server.errors import MalformedRequest
from server.http.json_body import parse_object, read_object

#: The part with the JSON object.
PART = "request"

#: No request has more images.
MAX_FILES = 8


async def read_request(request: Request) -> dict[str, Any]:
    """The JSON object of a request. In a form (`multipart/form-data`) it is the part `request`,
    and each file stands for the word that its part is named by, as a data URI would; where a list
    is wanted, the name ends with `[]`.

    Raises:
        UnsupportedMediaType: the body is neither JSON nor a form.
        MalformedRequest: it is not a JSON object in UTF-8, or the form cannot be read.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "multipart/form-data":
        return await read_object(request)
    try:
        form = await request.form(max_files=MAX_FILES, max_fields=1)
    except HTTPException as error:
        raise MalformedRequest(f"The form cannot be read: {error.detail}") from None
    try:
        return await _merge(form.multi_items())
    finally:
        await form.close()


async def _merge(parts: list[tuple[str, UploadFile | str]]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    files: dict[str, Any] = {}
    for name, part in parts:
        if name == PART:
            content = part.encode() if isinstance(part, str) else await part.read()
            body = parse_object(content)
        elif isinstance(part, UploadFile):
            image = await _data_uri(part)
            if name.endswith("[]"):
                files.setdefault(name.removesuffix("[]"), []).append(image)
            else:
                files[name] = image
        else:
            raise MalformedRequest(
                f"The form has a text part `{name}`: send the parameters as JSON in the part "
                f"`{PART}`, and images as files."
            )
    return {**body, **files}


async def _data_uri(part: UploadFile) -> str:
    # What the file really is shows when it is examined; its declared type is not trusted.
    return f"data:image/png;base64,{base64.b64encode(await part.read()).decode()}"
