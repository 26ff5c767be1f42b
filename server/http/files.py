"""Files as answers."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from server.callers import Tier
from server.errors import ImageNotFound, RangeNotSatisfiable
from server.http.guard import caller_of, was_admitted

IMMUTABLE = "max-age=31536000, immutable"
REVALIDATE = "no-cache"
ENTITY_TAG = re.compile(r'(?:W/)?("[^"]*")')
#: A single range: `first-last`, `first-` or `-length`.
RANGE = re.compile(r"bytes=(\d{0,99})-(\d{0,99})", re.IGNORECASE)


async def immutable_file(request: Request, path: Path, media_type: str) -> Response:
    """Serve a file that never changes: ETag, Range, If-None-Match, cached for good.

    Raises:
        ImageNotFound: the file vanished a moment ago.
        RangeNotSatisfiable: no byte of the wanted range exists.
    """
    try:
        return await _file(request, path, media_type, _lasting(request))
    except FileNotFoundError:
        raise ImageNotFound(f"The image {path.name} was just deleted.") from None


async def changing_file(request: Request, path: Path, media_type: str) -> Response:
    """Serve a file that may change: like `immutable_file`, but clients ask each time whether it
    has.

    Raises:
        FileNotFoundError: the file vanished a moment ago.
        RangeNotSatisfiable: no byte of the wanted range exists.
    """
    return await _file(request, path, media_type, REVALIDATE)


async def derived_file(
    request: Request, path: Path, media_type: str, derive: Callable[[Path], bytes]
) -> Response:
    """Serve what is made of a file that never changes, always the same bytes: like
    `immutable_file`. `derive` runs on a thread, and only where its result is sent.

    Raises:
        ImageNotFound: the file vanished a moment ago.
        RangeNotSatisfiable: no byte of the wanted range exists.
    """
    try:
        status = await asyncio.to_thread(path.stat)
        entity = f"{path.name} {status.st_mtime_ns} {status.st_size} {media_type}"
        etag = f'"{hashlib.sha256(entity.encode()).hexdigest()[:32]}"'
        headers = {"Cache-Control": _lasting(request), "ETag": etag, "Accept-Ranges": "bytes"}
        if _is_known(request.headers, etag):
            return Response(status_code=304, headers=headers)
        body = await asyncio.to_thread(derive, path)
    except FileNotFoundError:
        raise ImageNotFound(f"The image {path.name} was just deleted.") from None
    _check_range(request, len(body))
    found = RANGE.fullmatch(request.headers.get("range", "").strip())
    if found is None or request.headers.get("if-range", etag) != etag:
        return Response(body, media_type=media_type, headers=headers)
    part = _part(len(body), *found.groups())
    headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{len(body)}"
    return Response(body[part.start : part.stop], 206, headers, media_type)


def _lasting(request: Request) -> str:
    """For how long caches may keep what never changes. What a key was asked for stays with whoever
    sent it: a cache that many share would hand it to those who have none."""
    has_key = was_admitted(request) and caller_of(request).tier is not Tier.ANONYMOUS
    return f"{'private' if has_key else 'public'}, {IMMUTABLE}"


def _part(size: int, first: str, last: str) -> range:
    """The bytes that a satisfiable range means."""
    if not first:
        return range(max(0, size - int(last)), size)
    return range(int(first), min(size, int(last) + 1) if last else size)


async def _file(request: Request, path: Path, media_type: str, cache_control: str) -> Response:
    status = await asyncio.to_thread(path.stat)
    headers = {"Cache-Control": cache_control}
    response = FileResponse(path, media_type=media_type, headers=headers, stat_result=status)
    if _is_known(request.headers, response.headers["etag"]):
        kept = {name: response.headers[name] for name in ("etag", "last-modified")}
        return Response(status_code=304, headers={**headers, **kept})
    _check_range(request, status.st_size)
    return response


def _is_known(headers: Headers, etag: str) -> bool:
    wanted = headers.get("if-none-match", "")
    return wanted.strip() == "*" or etag in ENTITY_TAG.findall(wanted)


def _check_range(request: Request, size: int) -> None:
    """Refuse a range without a byte in it, and drop a header that makes no sense or asks for
    several ranges: RFC 9110 lets a server ignore those, starlette would answer 400."""
    wanted = request.headers.get("range")
    if wanted is None:
        return
    match = RANGE.fullmatch(wanted.strip())
    first, last = match.groups() if match else ("", "")
    if (not first and not last) or (first and last and int(first) > int(last)):
        del MutableHeaders(scope=request.scope)["range"]
    elif int(first) >= size if first else int(last) == 0:
        raise RangeNotSatisfiable(f"The file has {size} bytes.", size=size)
