"""Asks as this API's clients do."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import httpx
from PIL import Image
from websockets.sync.client import ClientConnection, connect

from tests.serving import PATIENCE, LiveServer

#: A request for a small image.
SMALL: dict[str, Any] = {"prompt": "a red square", "steps": 20, "width": 512, "height": 512}

PNG = "data:image/png;base64,"


@dataclass(frozen=True)
class Address:
    """An address of the dialect. `client` speaks to the server."""

    url: str
    client: httpx.Client

    def generate(self, body: Any, **headers: str) -> httpx.Response:
        """Ask for an image."""
        return self.client.post(f"{self.url}/generate", json=body, headers=headers)

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Ask for something else."""
        return self.client.get(f"{self.url}{path}", headers=headers)

    def socket(self, query: str = "", **headers: str) -> ClientConnection:
        """Open its socket."""
        url = f"{self.url.replace('http', 'ws', 1)}/ws{query}"
        return connect(url, additional_headers=headers, open_timeout=PATIENCE, max_size=None)


def on_main_port(server: LiveServer) -> Address:
    """The dialect's address on a server's main port."""
    return Address(f"{server.client.base_url}/krea", server.client)


def generated(answer: httpx.Response) -> Image.Image:
    """The image of an answer."""
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body.keys() == {"success", "image", "duration"}
    assert body["success"] is True
    assert isinstance(body["duration"], float)
    return picture(body["image"])


def picture(uri: str) -> Image.Image:
    """An image in a data URI, decoded."""
    assert uri.startswith(PNG)
    image = Image.open(BytesIO(base64.b64decode(uri.removeprefix(PNG), validate=True)))
    image.load()
    assert image.format == "PNG"
    return image


def failure(answer: httpx.Response, status: int) -> str:
    """What an answer says that is an error in the one shape."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body.keys() == {"success", "error", "duration"}
    assert body["success"] is False
    assert isinstance(body["duration"], float)
    assert body["duration"] >= 0
    assert body["error"]
    return str(body["error"])


def wish(socket: ClientConnection, prompt: str, **more: Any) -> None:
    """Ask for a small image over a socket. `id` goes beside `type`, all else into `data`."""
    beside = {"id": more.pop("id")} if "id" in more else {}
    data = {**SMALL, "prompt": prompt, **more}
    socket.send(json.dumps({"type": "generate", **beside, "data": data}))


def heard(socket: ClientConnection) -> dict[str, Any]:
    """The next message."""
    message: dict[str, Any] = json.loads(socket.recv(PATIENCE))
    return message


def until_answered(socket: ClientConnection, answers: int = 1) -> list[dict[str, Any]]:
    """All messages up to the last of so many that are no progress."""
    messages: list[dict[str, Any]] = []
    while len(others(messages)) < answers:
        messages.append(heard(socket))
    return messages


def others(messages: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages that are no progress."""
    return [message for message in messages if message["type"] != "progress"]
