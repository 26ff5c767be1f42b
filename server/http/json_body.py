"""The JSON object in a request's body."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from starlette.requests import Request

from server.errors import MalformedRequest, UnsupportedMediaType
from server.wording import shortened

#: No honest request nests deeper; what reads the values may recurse.
MAX_DEPTH = 32


async def read_object(request: Request) -> dict[str, Any]:
    """The request's body as a JSON object.

    Raises:
        UnsupportedMediaType: the body is declared as something other than JSON.
        MalformedRequest: it is not a JSON object in UTF-8.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not (media_type in ("", "application/json") or media_type.endswith("+json")):
        raise UnsupportedMediaType(
            f"The body is declared as {shortened(media_type)}; send JSON with "
            "`Content-Type: application/json`."
        )
    return parse_object(await request.body())


def parse_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object strictly: UTF-8, no NaN or Infinity, no half of a surrogate pair.

    Raises:
        MalformedRequest: it is something else, or nested more than 32 deep.
    """
    try:
        # Some shells put a byte order mark in front, which RFC 8259 lets a reader ignore.
        value = json.loads(body.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise MalformedRequest(f"The body is not UTF-8: {error.reason}.") from None
    except RecursionError:
        raise MalformedRequest("The body is nested too deeply.") from None
    except json.JSONDecodeError as error:
        raise MalformedRequest(f"The body is not valid JSON: {error}.") from None
    except ValueError:
        raise MalformedRequest("The body has a number of thousands of digits.") from None
    if not isinstance(value, dict):
        raise MalformedRequest('The body is not a JSON object, such as {"prompt": "a house"}.')
    _inspect(value, MAX_DEPTH)
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedRequest(f"The body is not valid JSON: {name} is no number there.")


def _inspect(value: object, depth: int) -> None:
    """Refuse what cannot be stored or answered: it would only fail later."""
    if depth == 0:
        raise MalformedRequest("The body is nested too deeply.")
    if isinstance(value, str):
        _inspect_text(value)
    elif isinstance(value, list):
        for item in value:
            _inspect(item, depth - 1)
    elif isinstance(value, dict):
        for name, item in value.items():
            _inspect_text(name)
            _inspect(item, depth - 1)


def _inspect_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise MalformedRequest("The body has an escape that is half a surrogate pair.") from None
