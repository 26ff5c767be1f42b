"""The socket: messages that ask for images, several under way at once, and their progress."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NoReturn

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from server.callers import Scope
from server.dialects.krea import translate
from server.dialects.krea.messages import COMPLETE, ERROR, PROGRESS, Thread, wish
from server.dialects.krea.protocol import GenerateRequest
from server.dialects.krea.studio import Studio
from server.errors import BodyTooLarge, ShuttingDown
from server.http.host import DialectHost
from server.http.json_body import parse_object
from server.http.sse import SEND_TIMEOUT
from server.http.translation import as_ours
from server.limit_errors import TooManyRequests
from server.snapshots import JobSnapshot

#: Bytes of a message. A prompt has at most 1000 characters.
MAX_MESSAGE = 64 * 1024

#: Images of one socket that are under way.
MOST_UNFINISHED = 8

#: How a connection ends that nobody closed (RFC 6455).
ABNORMAL = 1006


class Conversation:
    """One socket that is open. Errors are answered and close nothing."""

    def __init__(self, host: DialectHost, studio: Studio, websocket: WebSocket) -> None:
        self._host = host
        self._studio = studio
        self._websocket = websocket
        self._unfinished: set[str] = set()

    async def hold(self) -> None:
        """Answer messages until the client goes away. Nobody waits for what is unfinished then."""
        try:
            async with asyncio.TaskGroup() as group:
                await self._listen(group)
        except* WebSocketDisconnect:
            pass  # that is how every conversation ends
        finally:
            for job_id in self._unfinished:
                await self._host.leave(job_id)

    async def _listen(self, group: asyncio.TaskGroup) -> NoReturn:
        """
        Raises:
            WebSocketDisconnect: the client went away.
        """
        while True:
            frame = await self._frame()
            thread = Thread()
            try:
                message = _parsed(frame)
                thread = Thread.of(message)
                job = await self._begin(message)
            except Exception as error:  # noqa: BLE001 - each becomes an answer; unforeseen ones are logged
                await self._send(_error(thread, error))
            else:
                group.create_task(self._follow(job.job_id, thread))

    async def _frame(self) -> bytes:
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", ABNORMAL))
        data: bytes | None = message.get("bytes")
        return message["text"].encode() if data is None else data

    async def _begin(self, message: Mapping[str, Any]) -> JobSnapshot:
        """The job that a message asks for."""
        wanted = wish(message)
        await self._host.admit(self._websocket, Scope.GENERATE)
        request = GenerateRequest.model_validate(wanted)
        if len(self._unfinished) >= MOST_UNFINISHED:
            raise TooManyRequests(
                f"{MOST_UNFINISHED} images of this connection are under way, which is the limit. "
                "Ask again when one of them is there."
            )
        job = await self._studio.submit(self._websocket, request)
        self._unfinished.add(job.job_id)
        return job

    async def _follow(self, job_id: str, thread: Thread) -> None:
        """Show a job's progress and, at last, its image."""
        try:
            job = await self._ended(job_id, thread)
            made = await self._studio.result(job)
            answer = thread.answer(COMPLETE, made.model_dump(include={"image", "duration"}))
        except WebSocketDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 - each becomes an answer; unforeseen ones are logged
            answer = _error(thread, error)
        await self._send(answer)
        self._unfinished.discard(job_id)

    async def _ended(self, job_id: str, thread: Thread) -> JobSnapshot:
        shown = None
        async with self._host.in_time(job_id):
            async for job in await self._host.service.watch(job_id):
                if job.status.ended:
                    return job
                found = translate.progress(job)
                if found is not None and found != shown:
                    shown = found
                    await self._send(thread.answer(PROGRESS, found))
        raise ShuttingDown(f"The server stops; the job {job_id} goes on if it has begun.")

    async def _send(self, message: Mapping[str, Any]) -> None:
        """
        Raises:
            WebSocketDisconnect: the client went away, or reads nothing.
        """
        # Another answer may have found out first.
        if self._websocket.application_state is WebSocketState.DISCONNECTED:
            raise WebSocketDisconnect(ABNORMAL)
        try:
            async with asyncio.timeout(SEND_TIMEOUT):
                await self._websocket.send_json(message)
        except TimeoutError:
            raise WebSocketDisconnect(ABNORMAL) from None


def _parsed(frame: bytes) -> dict[str, Any]:
    """
    Raises:
        BodyTooLarge, MalformedRequest
    """
    if len(frame) > MAX_MESSAGE:
        raise BodyTooLarge(f"The message is larger than {MAX_MESSAGE} bytes.")
    return parse_object(frame)


def _error(thread: Thread, error: Exception) -> dict[str, Any]:
    return thread.answer(ERROR, {"error": as_ours(error).message})
