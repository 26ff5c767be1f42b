"""Requests in the words of Black Forest Labs' API reach the pipeline that they name.

It stands here since torch is imported anyway.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tests.dialects.bfl import document
from tests.dialects.bfl.asking import picture, poll, submit
from tests.serving import live_server

SIZE = (64, 64)


def drawn(colour: str) -> str:
    """An image in base64."""
    written = BytesIO()
    Image.new("RGB", SIZE, colour).save(written, "PNG")
    return base64.b64encode(written.getvalue()).decode()


@pytest.mark.usefixtures("one_thread")
def test_reference_images_change_what_the_model_makes(
    tmp_path: Path, tiny: Callable[[str], Path]
) -> None:
    models = [{"id": document.MODEL, "source": str(tiny("flux-2-klein"))}]
    body = {"prompt": document.REQUEST["prompt"], "seed": 42, "steps": 2, "output_format": "png"}
    given = {"input_image": drawn("red"), "input_image_2": drawn("blue")}
    pictures = []
    with live_server(tmp_path / "data", models=models) as server:
        for images in ({}, given):
            accepted = submit(server.client, f"/v1/{document.MODEL}", **body, **images)
            state = poll(server.client, accepted["polling_url"])
            assert state["status"] == "Ready", state
            pictures.append(picture(server.client, state["result"]["sample"]))
        job = server.client.get(f"/api/jobs/{accepted['id']}").json()
    assert job["params"]["init_image"].startswith("input:")
    assert len(job["params"]["reference_images"]) == 1
    assert [image.size for image in pictures] == [SIZE, SIZE]
    assert pictures[0].tobytes() != pictures[1].tobytes()
