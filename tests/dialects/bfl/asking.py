"""Asks as this API's clients do."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import httpx
from PIL import Image

from tests.serving import until


def submit(client: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    """The answer to a request for an image."""
    answer = client.post(path, json={"prompt": "a red square", "width": 64, "height": 64, **body})
    assert answer.status_code == 200, answer.text
    accepted: dict[str, Any] = answer.json()
    return accepted


def poll(client: httpx.Client, url: str) -> dict[str, Any]:
    """The last answer about a task, once that has ended."""
    until(lambda: asked(client, url)["status"] not in ("Processing", "Pending"))
    return asked(client, url)


def asked(client: httpx.Client, url: str) -> dict[str, Any]:
    """The answer about a task."""
    answer = client.get(url)
    assert answer.status_code == 200, answer.text
    state: dict[str, Any] = answer.json()
    return state


def picture(client: httpx.Client, url: str) -> Image.Image:
    """The image at an address, decoded."""
    answer = client.get(url)
    assert answer.status_code == 200, answer.text
    image = Image.open(BytesIO(answer.content))
    image.load()
    assert answer.headers["content-type"] == f"image/{str(image.format).lower()}"
    return image
