"""Jobs of a real server process, and their images as the gallery serves them."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

from PIL import Image, ImageChops

from tests.families.pictures import data_uri, photo, sticker
from tests.servers import ServerProcess

PROMPT = "a red circle on a blue background"

#: The ways in which a request can give an image.
GIVEN = ("data URI", "upload", "gallery")

Words = dict[str, Any]


def submit(server: ServerProcess, words: Words, files: Any = ()) -> str:
    """Submit a job that the model takes without any remark; its id. With files: as a form."""
    body = {"prompt": PROMPT, **words}
    form = {"data": {"request": json.dumps(body)}, "files": files} if files else {"json": body}
    answer = server.client.post("/api/generate", **form)
    assert answer.status_code == 202, answer.text
    assert answer.json()["warnings"] == []
    return str(answer.json()["job_id"])


def made(server: ServerProcess, words: Words, files: Any = ()) -> list[Image.Image]:
    """The images of a job, as the gallery serves them."""
    shown = server.wait(submit(server, words, files))
    assert shown["status"] == "completed", shown["error"]
    contents = [server.client.get(image["url"]).content for image in shown["images"]]
    return [Image.open(BytesIO(content), formats=("PNG",)) for content in contents]


def check(ours: Image.Image, theirs: Image.Image) -> None:
    """That two images are the same, pixel for pixel."""
    assert (ours.mode, ours.size) == (theirs.mode, theirs.size)
    same = ours.tobytes() == theirs.tobytes()
    assert same, f"smallest and largest difference: {_difference(ours, theirs)}"


def _difference(ours: Image.Image, theirs: Image.Image) -> Any:
    return ImageChops.difference(ours, theirs).getextrema()


def begun(server: ServerProcess, words: Words, way: str) -> tuple[list[Image.Image], bytes]:
    """The images of a job that begins with an image, given in this way; and that image's file."""
    if way == "data URI":
        return made(server, {**words, "init_image": data_uri(photo())}), photo()
    if way == "upload":
        files = {"init_image": ("sticker.png", sticker(), "image/png")}
        return made(server, words, files), sticker()
    first = submit(
        server, {"model": words["model"], "seed": 3, "steps": 2, "width": 64, "height": 64}
    )
    (image,) = server.wait(first)["images"]
    images = made(server, {**words, "init_image": image["filename"]})
    return images, server.png(image["filename"])
