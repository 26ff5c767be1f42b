"""A dialect that waits for its pictures, and has a socket that sends back what it hears."""

from __future__ import annotations

from pydantic import BaseModel
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from darkroom.dialects import (
    DarkroomError,
    Dialect,
    DialectHost,
    Face,
    Faces,
    Scope,
    hookimpl,
    needs,
)


class Telegram(BaseModel):
    """A request: words, and how long a step takes."""

    words: str
    delay: float = 0


def render(error: DarkroomError, connection: HTTPConnection) -> JSONResponse:
    """An error in this dialect's words."""
    return JSONResponse({"stop": error.code}, error.status, headers=error.headers)


def _face(host: DialectHost, prefix: str = "") -> Face:
    router = host.router(render, prefix=prefix)

    @router.post("/send")
    @needs(Scope.GENERATE)
    async def send(request: Request, telegram: Telegram) -> dict[str, str]:
        body = {"prompt": telegram.words, "delay": telegram.delay}
        accepted = await host.submit(request, body)
        job = await host.finished(request, accepted.job_id)
        return {"id": job.job_id, "status": job.status}

    @router.websocket("/wire")
    async def wire(websocket: WebSocket) -> None:
        if not await host.accept(websocket, Scope.READ):
            return
        try:
            while True:
                await websocket.send_text(await websocket.receive_text())
        except WebSocketDisconnect:
            return

    return Face(router, render, (prefix,) if prefix else ())


def build(host: DialectHost) -> Faces:
    """On the main port below `/telegraph`, and at the root of a port of its own."""
    return Faces(main=(_face(host, "/telegraph"),), own=lambda: _face(host))


@hookimpl
def register_dialects() -> list[Dialect]:
    """Announce the telegraph."""
    return [Dialect(name="telegraph", title="The telegraph", build="telegraph:build")]
