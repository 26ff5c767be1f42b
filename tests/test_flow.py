"""From a prompt to a picture, with the embedded model, a real server and real HTTP."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from server import pnginfo
from tests.servers import ServerProcess
from tests.support import WATERMARK, fill_folder

#: Seeds whose average is looked at: one picture of a small model may be an odd one.
SEEDS = {"seed": 100, "num_images": 4}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("flow") / "data"


@pytest.fixture(scope="module")
def server(data: Path) -> Iterator[ServerProcess]:
    with ServerProcess(data) as running:
        yield running


def pixels(png: bytes) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(height, width, 3) in 0 … 255."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=np.float64)


def pictures(server: ServerProcess, prompt: str) -> list[np.ndarray[Any, np.dtype[np.float64]]]:
    """What the model makes of a prompt, with several seeds."""
    shown = server.wait(server.submit(prompt, **SEEDS))
    assert shown["status"] == "completed", shown["error"]
    return [pixels(server.png(image["filename"])) for image in shown["images"]]


def border(picture: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, Any]:
    """The median colour of the outermost four pixels."""
    strips = (picture[:4], picture[-4:], picture[:, :4], picture[:, -4:])
    return np.median(np.concatenate([strip.reshape(-1, 3) for strip in strips]), axis=0)


def test_a_prompt_becomes_a_picture_everyone_can_watch(server: ServerProcess, data: Path) -> None:
    gallery: list[dict[str, Any]] = []
    connected, seen = threading.Event(), threading.Event()

    def watch_gallery() -> None:
        with server.client.stream("GET", "/api/sse/gallery") as stream:
            connected.set()
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    gallery.append(json.loads(line.removeprefix("data: ")))
                    break
        seen.set()

    threading.Thread(target=watch_gallery, daemon=True).start()
    assert connected.wait(30)
    job_id = server.submit("a red circle on a blue background", seed=7)
    snapshots = list(server.snapshots(job_id))
    last = snapshots[-1]
    assert last["status"] == "completed" and last["progress"] == 1.0
    progress = [shown["progress"] for shown in snapshots]
    assert progress == sorted(progress)
    steps = [shown["step"] for shown in snapshots if shown["step"]]
    assert steps == sorted(steps) and steps[-1] == 20
    previews = {shown["preview"] for shown in snapshots if shown["preview"]}
    assert len(previews) >= 3 and all(p.startswith("data:image/jpeg;base64,") for p in previews)

    assert seen.wait(30)
    (image,) = last["images"]
    assert gallery == [image]
    assert server.images()[0] == image
    assert image["filename"] == f"{job_id}_0.png"
    png = server.png(image["filename"])
    assert png == (data / "images" / image["filename"]).read_bytes()
    assert Image.open(io.BytesIO(png)).size == (128, 128)
    recipe = pnginfo.read(png)
    assert recipe is not None and (recipe["prompt"], recipe["seed"]) == (image["prompt"], 7)
    thumb = server.client.get(image["thumb_url"])
    assert thumb.headers["content-type"] == "image/webp"
    assert Image.open(io.BytesIO(thumb.content)).size == (64, 64)


def test_the_worker_tells_what_the_device_has_left(server: ServerProcess) -> None:
    server.wait(server.submit(steps=1))
    shown = server.get("/api/system")
    device = shown["device_memory"]
    assert 0 < device["free_bytes"] <= device["total_bytes"] == shown["memory"]["total_bytes"]
    (model,) = shown["models_resident"]
    assert (shown["device"], model["id"], model["state"]) == ("cpu", "postcard", "loaded")
    assert model["bytes"] > 1_000_000


def test_the_background_has_the_colour_the_prompt_names(server: ServerProcess) -> None:
    for picture in pictures(server, "a red circle on a blue background"):
        red, green, blue = border(picture)
        assert blue - max(red, green) > 80, (red, green, blue)


def test_night_is_darker_than_day(server: ServerProcess) -> None:
    day, night = (
        np.mean([picture.mean() for picture in pictures(server, f"green hills {time}")])
        for time in ("by day", "at night")
    )
    assert night < day - 60, (day, night)


def test_a_seed_is_drawn_when_none_is_given_and_makes_the_picture_again(
    server: ServerProcess,
) -> None:
    first = server.wait(server.submit(steps=4))["images"][0]
    again = server.wait(server.submit(steps=4, seed=first["seed"]))["images"][0]
    other = server.wait(server.submit(steps=4))["images"][0]
    assert np.array_equal(*(pixels(server.png(i["filename"])) for i in (first, again)))
    assert other["seed"] != first["seed"]


def test_image_i_of_a_job_is_the_single_image_of_its_seed(server: ServerProcess) -> None:
    several = server.wait(server.submit(steps=4, seed=50, num_images=3))["images"]
    single = server.wait(server.submit(steps=4, seed=52))["images"][0]
    assert [image["seed"] for image in several] == [50, 51, 52]
    assert np.array_equal(*(pixels(server.png(i["filename"])) for i in (several[2], single)))


@pytest.mark.slow  # two workers of one server: test_kills.py; a worker and none: test_postcard.py
def test_the_same_request_gives_the_same_pixels_in_two_processes(
    server: ServerProcess, tmp_path: Path
) -> None:
    request = {"seed": 3, "steps": 6, "width": 96, "height": 160}
    here = server.wait(server.submit(**request))["images"][0]
    with ServerProcess(tmp_path / "other") as other:
        there = other.wait(other.submit(**request))["images"][0]
        pair = [pixels(server.png(here["filename"])), pixels(other.png(there["filename"]))]
    assert pair[0].shape == (160, 96, 3)
    assert np.array_equal(*pair)


def test_a_wrapping_plugin_works_for_the_embedded_family(
    server: ServerProcess, tmp_path: Path
) -> None:
    request = {"seed": 5, "steps": 4}
    plain = server.wait(server.submit(**request))["images"][0]
    folder = fill_folder(tmp_path / "plugins", WATERMARK)
    with ServerProcess(tmp_path / "data", "--plugin-folder", str(folder)) as marking:
        marked = marking.wait(marking.submit(**request))["images"][0]
        changed = pixels(marking.png(marked["filename"])) != pixels(server.png(plain["filename"]))
    rows, columns = np.nonzero(changed.any(axis=2))
    assert rows.size > 0
    assert rows.min() >= 120 and columns.min() >= 120, "it draws in a corner of 8 × 8 pixels"


def test_a_running_job_is_cancelled_within_a_step(server: ServerProcess) -> None:
    job_id = server.submit(steps=50, width=512, height=512)
    asked_at = None
    for shown in server.snapshots(job_id):
        if shown["step"] and asked_at is None:
            asked_at = shown["step"]
            answer = server.client.post(f"/api/jobs/{job_id}/cancel")
            assert answer.status_code == 200 and answer.json()["status"] == "cancelled"
        assert (shown["step"] or 0) <= (asked_at or 0) + 2
    assert shown["status"] == "cancelled" and shown["images"] == []
    assert server.wait(server.submit(steps=2))["status"] == "completed"


def test_the_dry_run_tells_what_would_run(server: ServerProcess) -> None:
    loaded = server.wait(server.submit(steps=2))
    assert loaded["status"] == "completed"
    body = {"prompt": "a boat", "clip_skip": 2, "num_images": 2}
    plan = server.client.post("/api/generate?dry_run=true", json=body).json()
    before = len(server.images())
    assert plan["needs_load"] is False and plan["expected_seconds"] > 0
    assert plan["params"]["steps"] == 20 and plan["params"]["width"] == 128
    assert "clip_skip" in plan["warnings"][0]
    assert len(server.images()) == before
