"""Images are made larger, to the size that is asked for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.dialects.automatic1111.pictures import RED, decoded, encoded, plain
from tests.serving import LiveServer, until

PATH = "/sdapi/v1/extra-single-image"


def enlarged(client: httpx.Client, image: str, **words: Any) -> Image.Image:
    answer = client.post(PATH, json={"image": image, "upscaler_1": "Lanczos", **words})
    assert answer.status_code == 200, answer.text
    assert answer.json().keys() == {"html_info", "image"}
    return decoded(answer.json()["image"])


@pytest.mark.parametrize(
    ("words", "size"),
    [
        ({}, (80, 48)),
        ({"upscaling_resize": 4}, (160, 96)),
        ({"upscaling_resize": 1.5}, (60, 36)),
        ({"upscaling_resize": 0.5}, (20, 12)),
        ({"upscaling_resize": 99}, (320, 192)),
        ({"resize_mode": 1, "upscaling_resize_w": 90, "upscaling_resize_h": 90}, (90, 90)),
        (
            {
                "resize_mode": 1,
                "upscaling_resize_w": 90,
                "upscaling_resize_h": 90,
                "upscaling_crop": False,
            },
            (150, 90),
        ),
    ],
)
def test_sizes(api: httpx.Client, words: dict[str, Any], size: tuple[int, int]) -> None:
    image = enlarged(api, encoded(plain((40, 24))), **words)
    assert (image.size, image.format) == (size, "PNG")
    assert image.getpixel((size[0] // 2, size[1] // 2)) == RED


def test_a_photograph_stays_upright(server: LiveServer) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera lay on its side
    photo = encoded(plain((40, 24)), "JPEG", exif=exif)
    assert enlarged(server.client, photo).size == (48, 80)
    assert enlarged(server.client, photo, upscaler_1="None").size == (24, 40)


def test_it_is_a_job_like_any_other(server: LiveServer) -> None:
    enlarged(server.client, encoded(plain((40, 24))))
    newest = server.client.get("/api/jobs?limit=1").json()["jobs"][0]
    assert (newest["model"], newest["status"]) == ("lanczos", "completed")
    [image] = newest["images"]
    assert (image["width"], image["height"]) == (80, 48)


def test_no_upscaler_leaves_the_image_as_it_is(server: LiveServer) -> None:
    before = server.client.get("/api/jobs?limit=1").json()["jobs"]
    image = enlarged(server.client, encoded(plain((40, 24))), upscaler_1="None")
    assert (image.size, image.getpixel((3, 3))) == ((40, 24), RED)
    assert server.client.get("/api/jobs?limit=1").json()["jobs"] == before


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ({"upscaler_1": "R-ESRGAN 4x+"}, "upscaler_1"),
        ({"image": "AAAA"}, "image"),
        ({"upscaling_resize": 0}, "upscaling_resize"),
        ({"resize_mode": 2}, "resize_mode"),
        (
            {"resize_mode": 1, "upscaling_resize_w": 16_384, "upscaling_resize_h": 16_384},
            "upscaling_resize_w",
        ),
    ],
)
def test_refusals_name_their_place(server: LiveServer, words: dict[str, Any], place: str) -> None:
    body = {"image": encoded(plain((40, 24))), "upscaler_1": "Lanczos", **words}
    answer = server.client.post(PATH, json=body)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", place]
    assert answer.json()["errors"].startswith(f"body.{place}: ")


def test_one_that_was_stopped_has_no_image(server: LiveServer) -> None:
    server.client.post("/api/queue/pause")
    body = {"image": encoded(plain((40, 24))), "upscaler_1": "Lanczos"}
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(server.client.post, PATH, json=body)
        until(lambda: server.client.get("/sdapi/v1/progress").json()["state"]["job"] == "extras")
        server.client.post("/sdapi/v1/interrupt")
        server.client.post("/api/queue/resume")
    assert (asked.result().status_code, asked.result().json()["image"]) == (200, None)
