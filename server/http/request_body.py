"""A request for images: JSON, or a form with the JSON in one part and images in others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from server.errors import InvalidParameters, MalformedRequest
from server.http.json_body import parse_object, read_object
from server.image_sources import data_uri
from server.wording import shortened

#: The part with the JSON object.
PART = "request"

#: What a part's name ends with where a list is wanted.
LIST = "[]"

#: No request has more images.
MAX_FILES = 8

#: One is right; with more, we rather than the parser say what is wrong.
MAX_TEXTS = 100

Parts = list[tuple[str, UploadFile | str]]


async def read_request(request: Request, image_words: Collection[str]) -> dict[str, Any]:
    """The JSON object of a request. In a form (`multipart/form-data`) it is the part `request`,
    and each file stands for the word that its part is named by, as a data URI would; where a list
    is wanted, the name ends with `[]`.

    Args:
        request: the request.
        image_words: the words that files may stand for.

    Raises:
        UnsupportedMediaType: the body is neither JSON nor a form.
        MalformedRequest: it is not a JSON object in UTF-8, or the form cannot be read.
        InvalidParameters: a file stands for another word, or a word is given twice.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "multipart/form-data":
        return await read_object(request)
    try:
        form = await request.form(max_files=MAX_FILES, max_fields=MAX_TEXTS)
    except HTTPException as error:
        raise MalformedRequest(f"The form cannot be read: {error.detail}") from None
    try:
        return await _merge(form.multi_items(), image_words)
    finally:
        await form.close()


async def _merge(parts: Parts, image_words: Collection[str]) -> dict[str, Any]:
    """
    Raises:
        MalformedRequest, InvalidParameters
    """
    jsons = [part for name, part in parts if name == PART]
    files = [(name, part) for name, part in parts if isinstance(part, UploadFile) and name != PART]
    for name, part in parts:
        if name != PART and not isinstance(part, UploadFile):
            raise MalformedRequest(
                f"The form has a text part `{shortened(name)}`: send the parameters as JSON in the "
                f"part `{PART}`, and images as files."
            )
    body: dict[str, Any] = {}
    for part in jsons:
        body = parse_object(part.encode() if isinstance(part, str) else await part.read())
    names = [PART] * len(jsons) + [name for name, _ in files]
    if problems := [*_misplaced(names, image_words)] or [*_repeated(names, body)]:
        raise InvalidParameters(problems)
    for name, file in files:
        image = data_uri(await file.read())
        if name.endswith(LIST):
            body.setdefault(name.removesuffix(LIST), []).append(image)
        else:
            body[name] = image
    return body


def _misplaced(names: Collection[str], image_words: Collection[str]) -> Iterator[dict[str, Any]]:
    words = ", ".join(f"`{word}`" for word in sorted(image_words))
    for name in dict.fromkeys(names):
        if name != PART and name.removesuffix(LIST) not in image_words:
            text = f"no file can stand for this; files stand for {words}"
            yield {"loc": [shortened(name)], "msg": text, "type": "not_an_image"}


def _repeated(names: Collection[str], body: Collection[str]) -> Iterator[dict[str, Any]]:
    # Files of one list count once.
    lists = {name for name in names if name.endswith(LIST)}
    words = [*lists, *(name for name in names if name not in lists)]
    given = Counter([*(name.removesuffix(LIST) for name in words), *body])
    for word in dict.fromkeys(name.removesuffix(LIST) for name in words):
        if given[word] > 1:
            text = f"was given {given[word]} times, as files or in the JSON; give it once"
            yield {"loc": [shortened(word)], "msg": text, "type": "duplicate_parameter"}
