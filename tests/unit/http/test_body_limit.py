"""Bodies over the limit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.http.body_limit import BodyLimit

Answer = Callable[[Request], Awaitable[Response]]


def app_of(answer: Answer) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await answer(Request(scope, receive))
        await response(scope, receive, send)

    return BodyLimit(app, 10)


async def read(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def mask(request: Request) -> Response:
    """What frameworks do: any error of reading becomes an answer of theirs."""
    try:
        return await read(request)
    except Exception:  # noqa: BLE001 - that is what is tested
        return PlainTextResponse("masked", 400)


async def post(app: ASGIApp, body: bytes | AsyncIterator[bytes]) -> httpx.Response:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://localhost"
    ) as client:
        return await client.post("/", content=body)


async def chunks(*sizes: int) -> AsyncIterator[bytes]:
    for size in sizes:
        yield b"a" * size


@pytest.mark.parametrize("size", [0, 1, 10])
async def test_a_body_within_the_limit_passes(size: int) -> None:
    assert (await post(app_of(read), b"a" * size)).text == str(size)
    assert (await post(app_of(read), chunks(size))).text == str(size)


@pytest.mark.parametrize("answer", [read, mask])
async def test_a_declared_length_over_the_limit_is_refused_unread(answer: Answer) -> None:
    refused = await post(app_of(answer), b"a" * 11)
    assert (refused.status_code, refused.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("answer", [read, mask])
async def test_chunks_are_counted(answer: Answer) -> None:
    refused = await post(app_of(answer), chunks(4, 4, 4, 4))
    assert (refused.status_code, refused.json()["code"]) == (413, "body_too_large")


async def test_an_answer_already_begun_is_not_followed_by_another() -> None:
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await receive()

    async def receive() -> Message:
        return {"type": "http.request", "body": b"a" * 11}

    async def send(message: Message) -> None:
        sent.append(message)

    await BodyLimit(app, 10)({"type": "http", "headers": []}, receive, send)
    assert [message["type"] for message in sent] == ["http.response.start"]


async def test_other_scopes_pass() -> None:
    entered = []

    async def app(*_: object) -> None:
        entered.append(True)

    async def never(*_: object) -> None:
        raise AssertionError

    await BodyLimit(app, 1)({"type": "websocket"}, never, never)  # type: ignore[arg-type]
    assert entered
