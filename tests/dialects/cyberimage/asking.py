"""Asking a server in this API's words, and how its answers look."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from typing import Any

import httpx
from PIL import Image

from tests.dialects.cyberimage.document import STATUS_WORDS
from tests.serving import PATIENCE

#: A configuration whose names are the document's, for a family that takes no time.
ALIASES = {"flux-1": "colours", "sd-3.5": "colours", "lost": "no-such-model"}

#: Words whose values may have more words than the document prints.
OPEN = {"settings"}

#: Words whose values are by name, each like the first that is printed.
BY_NAME = {"models"}


def post(client: httpx.Client, path: str, body: Any) -> dict[str, Any]:
    """What is answered to a body."""
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def get(client: httpx.Client, path: str, **query: Any) -> dict[str, Any]:
    """What is answered."""
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def states(client: httpx.Client, job_id: str) -> Iterator[dict[str, Any]]:
    """A job's states up to the last."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        state = get(client, f"status/{job_id}")
        assert state["status"] in STATUS_WORDS
        yield state
        if state["status"] in ("completed", "failed"):
            return
        time.sleep(0.05)
    raise AssertionError(f"job {job_id} does not end")


def ended(client: httpx.Client, job_id: str) -> dict[str, Any]:
    """A job's last state."""
    *_, last = states(client, job_id)
    return last


def made(client: httpx.Client, prompt: str = "red", model: str = "flux-1", **settings: Any) -> Any:
    """The state of a finished job with small images."""
    body = {"model_id": model, "prompt": prompt, "settings": {**SMALL, **settings}}
    return ended(client, post(client, "generate", body)["job_id"])


SMALL = {"width": 64, "height": 64, "num_inference_steps": 2}


def picture(client: httpx.Client, image_id: str) -> Image.Image:
    """An image, decoded."""
    answer = client.get(f"get_image/{image_id}")
    assert answer.headers["content-type"] == "image/png"
    return Image.open(io.BytesIO(answer.content))


def unlike(printed: Any, found: Any, place: str = "") -> list[str]:
    """Where an answer has other words, or values of another type, than the document prints."""
    if isinstance(printed, dict) and isinstance(found, dict):
        return _unlike_words(printed, found, place)
    if isinstance(printed, list) and isinstance(found, list):
        return [each for item in found for each in unlike(printed[0], item, f"{place}[]")]
    if printed is None or found is None:
        return [] if isinstance(printed or found or "", str) else [f"{place}: {found!r}"]
    return [] if type(printed) is type(found) else [f"{place}: {found!r} for {printed!r}"]


def _unlike_words(printed: dict[str, Any], found: dict[str, Any], place: str) -> list[str]:
    word = place.rpartition(".")[2]
    if word in BY_NAME:
        first = next(iter(printed.values()))
        return [line for name, value in found.items() for line in unlike(first, value, f"{name}")]
    wrong = set(printed) - set(found) if word in OPEN else set(printed) ^ set(found)
    lines = [f"{place}: {name}" for name in wrong]
    for name in set(printed) & set(found):
        lines += unlike(printed[name], found[name], f"{place}.{name}")
    return lines
