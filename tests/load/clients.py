"""One client per API, each of which wants the picture of its own seed and nobody else's."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from io import BytesIO
from itertools import count
from typing import Any

import httpx
import websockets
from httpx_sse import aconnect_sse
from PIL import Image

#: Every picture has a seed of its own.
SEEDS = count(1)

#: Seconds between two looks at a job.
PAUSE = 0.1

PATIENCE = 120.0


class Refused(Exception):
    """The server said that it does not take the request now, in the API's words."""


@dataclass
class Client:
    """A client of the server at `url`, with a key or without."""

    url: str
    http: httpx.AsyncClient
    key: str | None = None
    faults: list[str] = field(default_factory=list)

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A request.

        Raises:
            Refused: the server is busy.
        """
        answer = await self.http.request(method, f"{self.url}{path}", **options)
        if answer.status_code in (429, 503):
            raise Refused(answer.text)
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    async def json(self, method: str, path: str, **options: Any) -> Any:
        """The JSON that a request is answered with."""
        return (await self.ask(method, path, **options)).json()

    async def bytes(self, path: str) -> bytes:
        """The bytes at a path or an address."""
        path = path.removeprefix(self.url)
        return (await self.ask("GET", path)).content


Asks = Callable[[Client, int], Awaitable[bytes]]


def seed_of(png: bytes) -> int:
    """The seed in the recipe of a picture."""
    with Image.open(BytesIO(png)) as image:
        return int(json.loads(image.text["darkroom"])["seed"])  # type: ignore[attr-defined]


async def native(client: Client, seed: int) -> bytes:
    """Submits, and follows the job by its stream."""
    accepted = await client.json("POST", "/api/generate", json={"prompt": "a star", "seed": seed})
    last: dict[str, Any] = {}
    async with aconnect_sse(client.http, "GET", f"{client.url}{accepted['sse_url']}") as source:
        async for event in source.aiter_sse():
            last = event.json()
            if last["job_id"] != accepted["job_id"]:
                client.faults.append(f"{accepted['job_id']} was told of {last['job_id']}")
    assert last["status"] == "completed", last["error"]
    return await client.bytes(last["images"][0]["url"])


async def bfl(client: Client, seed: int) -> bytes:
    """Submits and polls, in Black Forest Labs' own words."""
    body = {"prompt": "a star", "seed": seed}
    accepted = await client.json("POST", "/bfl/v1/quick", json=body)
    while True:
        answer = await client.http.get(accepted["polling_url"])
        found = answer.json()
        if found["id"] != accepted["id"]:
            client.faults.append(f"{accepted['id']} was answered with {found['id']}")
        if found["status"] == "Ready":
            sample: str = found["result"]["sample"]
            return await client.bytes(f"{sample.rpartition('.')[0]}.png")
        assert found["status"] == "Pending", found
        await asyncio.sleep(PAUSE)


async def krea(client: Client, seed: int) -> bytes:
    """Waits for the answer."""
    found = await client.json("POST", "/krea/generate", json={"prompt": "a star", "seed": seed})
    return base64.b64decode(found["image"].partition(",")[2])


async def krea_socket(client: Client, seed: int) -> bytes:
    """Asks through a socket; its progress does not go back."""
    address = f"{client.url.replace('http', 'ws', 1)}/krea/ws"
    key = {"x-key": client.key} if client.key else {}
    async with websockets.connect(address, additional_headers=key, max_size=None) as socket:
        data = {"prompt": "a star", "seed": seed}
        await socket.send(json.dumps({"type": "generate", "data": data}))
        before = 0
        async for text in socket:
            message = json.loads(text)
            match message["type"]:
                case "complete":
                    return base64.b64decode(message["data"]["image"].partition(",")[2])
                case "error":
                    raise Refused(message["data"]["error"])
            if message["data"]["percentage"] < before:
                client.faults.append(f"progress fell from {before} to {message}")
            before = message["data"]["percentage"]
    raise AssertionError("the socket was closed")


async def cyberimage(client: Client, seed: int) -> bytes:
    """Submits and polls."""
    body = {"model_id": "quick", "prompt": "a star", "settings": {"seed": seed}}
    accepted = await client.json("POST", "/cyberimage/api/generate", json=body)
    while True:
        found = await client.json("GET", f"/cyberimage/api/status/{accepted['job_id']}")
        if found["settings"].get("seed") != seed:
            client.faults.append(f"seed {seed} was told of {found['settings']}")
        if found["status"] == "completed":
            image = found["images"][0]["id"]
            return await client.bytes(f"/cyberimage/api/get_image/{image}")
        assert found["status"] in ("pending", "processing"), found
        await asyncio.sleep(PAUSE)


async def desktop(client: Client, seed: int) -> bytes:
    """Waits for the answer."""
    body = {"prompt": "a star", "seed": seed}
    found = await client.json("POST", "/api/generate/text-to-image", json=body)
    assert found["data"]["seed"] == seed, found
    return await client.bytes(found["data"]["filePath"])


async def openai(client: Client, seed: int) -> bytes:
    """Waits for the answer."""
    body = {"prompt": "a star", "seed": seed, "response_format": "b64_json"}
    found = await client.json("POST", "/v1/images/generations", json=body)
    return base64.b64decode(found["data"][0]["b64_json"])


async def automatic1111(client: Client, seed: int) -> bytes:
    """Waits for the answer, and looks at the progress meanwhile."""
    body = {"prompt": "a star", "seed": seed, "steps": 3, "width": 64, "height": 64}
    waiting = asyncio.create_task(client.json("POST", "/sdapi/v1/txt2img", json=body))
    while not waiting.done():
        progress = await client.json("GET", "/sdapi/v1/progress")
        assert 0 <= progress["progress"] <= 1, progress
        await asyncio.wait({waiting}, timeout=PAUSE)
    found = await waiting
    if json.loads(found["info"])["seed"] != seed:
        client.faults.append(f"seed {seed} was told of {found['info']}")
    return base64.b64decode(found["images"][0])


EVERY: tuple[Asks, ...] = (
    *(native, bfl, krea, krea_socket, cyberimage, desktop, openai, automatic1111),
)
