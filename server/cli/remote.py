"""A running server as a session: HTTP for requests, SSE for progress."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import fields
from typing import Any

import httpx
from httpx_sse import ServerSentEvent, aconnect_sse

from server.cli.sessions import Session
from server.errors import (
    DarkroomError,
    InvalidParameters,
    JobAlreadyEnded,
    RequestError,
    StartupError,
    Unavailable,
)
from server.key_errors import KeyMissing, KeyRefused
from server.records import JobStatus
from server.snapshots import JobSnapshot

#: How often in a row a lost stream is taken up again, each time after this many seconds: a server
#: that restarts is back by then, and takes up the job.
RECONNECTS = 15
PAUSE = 1.0

#: Seconds. A silent stream carries a comment every 15.
TIMEOUT = httpx.Timeout(30, read=60)


@asynccontextmanager
async def remote(url: str, key: str | None = None) -> AsyncIterator[Session]:
    """The server at `url`; an address without a scheme is taken for `http`.

    Args:
        url: where it serves.
        key: sent with every request; spaces around it are left out.

    Raises:
        StartupError: it is no URL.
    """
    try:
        client = httpx.AsyncClient(
            base_url=_with_scheme(url), timeout=TIMEOUT, headers=_authorization(key)
        )
    except httpx.InvalidURL as error:
        raise StartupError(f"{url!r} is no server's address: {error}") from error
    async with client:
        yield RemoteSession(client)


def _with_scheme(url: str) -> str:
    return url if "://" in url else f"http://{url}"


def _authorization(key: str | None) -> dict[str, str]:
    """
    Raises:
        StartupError: no header can hold it.
    """
    bare = (key or "").strip()
    if not bare.isascii() or not bare.isprintable():
        raise StartupError("The key given with --key or DARKROOM_KEY is none: keys are plain text.")
    return {"Authorization": f"Bearer {bare}"} if bare else {}


class RemoteSession:
    """See `Session`."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def submit(self, body: Mapping[str, Any]) -> str:
        """See `Session.submit`."""
        answer = await self._request("POST", "/api/generate", json=body)
        return str(answer.json()["job_id"])

    async def watch(self, job_id: str) -> AsyncGenerator[JobSnapshot, None]:
        """See `Session.watch`. A lost stream is taken up after the last event that was read."""
        last, losses = "", 0
        while True:
            try:
                async with aclosing(self._events(job_id, last)) as events:
                    async for event in events:
                        last, losses = event.id, 0
                        snapshot = read_snapshot(event.data)
                        yield snapshot
                        if snapshot.status.ended:
                            return
            except httpx.TransportError as error:
                if losses == RECONNECTS:
                    raise StartupError(
                        f"The connection to {self._client.base_url} is lost: {error}. "
                        f"The job {job_id} goes on there."
                    ) from error
            losses += 1
            await asyncio.sleep(PAUSE)

    async def cancel(self, job_id: str) -> None:
        """See `Session.cancel`."""
        await self._request("POST", f"/api/jobs/{job_id}/cancel")

    async def fetch(self, filename: str) -> bytes:
        """See `Session.fetch`."""
        return (await self._request("GET", f"/api/images/{filename}")).content

    async def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            answer = await self._client.request(method, path, **options)
        except httpx.TransportError as error:
            raise StartupError(
                f"No server answers at {self._client.base_url}: {error}. Start one with "
                "`darkroom serve`, or leave --server out to do without."
            ) from error
        if answer.is_error:
            raise refusal(answer)
        return answer

    async def _events(self, job_id: str, last: str) -> AsyncGenerator[ServerSentEvent, None]:
        headers = {"Last-Event-ID": last} if last else {}
        path = f"/api/sse/{job_id}"
        async with aconnect_sse(self._client, "GET", path, headers=headers) as source:
            if source.response.is_error:
                await source.response.aread()
                raise refusal(source.response)
            async for event in source.aiter_sse():
                yield event


def read_snapshot(text: str) -> JobSnapshot:
    """A snapshot from a stream, without its preview; fields of a newer server are passed by."""
    data = json.loads(text)
    known = {item.name: data[item.name] for item in fields(JobSnapshot) if item.name in data}
    known |= {
        "status": JobStatus(data["status"]),
        "preview": None,
        "images": tuple(data["images"]),
        "loras": tuple(data.get("loras", ())),
        "warnings": tuple(data["warnings"]),
    }
    return JobSnapshot(**known)


def refusal(answer: httpx.Response) -> DarkroomError:
    """The error that a problem+json answer tells of."""
    try:
        problem = answer.json()
        code, detail = problem["code"], problem["detail"]
    except (ValueError, KeyError, TypeError):
        return StartupError(f"{answer.url} answers {answer.status_code}, but not as Darkroom does.")
    match code:
        case InvalidParameters.code:
            return InvalidParameters(problem["errors"])
        case JobAlreadyEnded.code:
            return JobAlreadyEnded(detail)
        case KeyMissing.code:
            return KeyMissing(f"{answer.url} asks for a key: give it in DARKROOM_KEY or --key.")
        case KeyRefused.code:
            return KeyRefused(f"{answer.url} does not know the key in DARKROOM_KEY or --key.")
        case _:
            return (Unavailable if answer.status_code == 503 else RequestError)(detail)
