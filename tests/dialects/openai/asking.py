"""Asks as this API's clients do."""

from __future__ import annotations

import base64
import json
from io import BytesIO
from typing import Any

import httpx
import openai
from httpx_sse import connect_sse
from PIL import Image

from tests.servers import PATIENCE

GENERATIONS = "/v1/images/generations"
EDITS = "/v1/images/edits"


def sdk(url: str, key: str = "unused", retries: int = 0) -> openai.OpenAI:
    """A client of OpenAI's own; a context that closes it."""
    return openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=retries, timeout=PATIENCE)


def made(client: httpx.Client, **body: Any) -> dict[str, Any]:
    """The answer to a request for new images."""
    return answered(client.post(GENERATIONS, json={"prompt": "a teal boat", **body}))


def answered(answer: httpx.Response) -> dict[str, Any]:
    """An answer that is no error."""
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def opened(data: bytes | str) -> Image.Image:
    """An image file, or one in base64, decoded."""
    image = Image.open(BytesIO(base64.b64decode(data) if isinstance(data, str) else data))
    image.load()
    return image


def pictures(found: dict[str, Any]) -> list[Image.Image]:
    """The images inside an answer."""
    return [opened(item["b64_json"]) for item in found["data"]]


def events(client: httpx.Client, path: str, **request: Any) -> list[tuple[str, dict[str, Any]]]:
    """The events that answer a request, by their names."""
    with connect_sse(client, "POST", path, **request) as source:
        assert source.response.status_code == 200, source.response.read()
        return [(event.event, json.loads(event.data)) for event in source.iter_sse()]


def refused(answer: httpx.Response, status: int, code: str, param: str | None = None) -> str:
    """Check that an answer is this error in the one shape; its message."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert body.keys() == {"error"}
    assert body["error"].keys() == {"message", "type", "param", "code"}
    assert (body["error"]["code"], body["error"]["param"]) == (code, param), body
    message = body["error"]["message"]
    assert isinstance(message, str)
    assert message
    return message


def coloured(
    colour: str | tuple[int, ...], size: tuple[int, int] = (64, 64), kind: str = "PNG"
) -> bytes:
    """An image file of one colour."""
    mode = "RGBA" if isinstance(colour, tuple) and len(colour) == 4 else "RGB"
    written = BytesIO()
    Image.new(mode, size, colour).save(written, kind)
    return written.getvalue()


def data_uri(image: bytes) -> str:
    """An image file as JSON has it."""
    return f"data:image/png;base64,{base64.b64encode(image).decode()}"


def mask(size: tuple[int, int] = (64, 64)) -> bytes:
    """A mask: its left half is transparent, which means that it changes."""
    image = Image.new("RGBA", size, "black")
    image.paste((0, 0, 0, 0), (0, 0, size[0] // 2, size[1]))
    written = BytesIO()
    image.save(written, "PNG")
    return written.getvalue()
