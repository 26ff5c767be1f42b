"""Infotexts are read back from images: ours, the web UI's, and those without any."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.dialects.automatic1111.pictures import encoded, plain
from tests.dialects.automatic1111.recorded import INFOTEXT
from tests.serving import LiveServer

PARTS = {
    "Prompt": "masterpiece, (cat:1.2) <lora:one:0.5>",
    "Negative prompt": "bad hands",
    "Steps": "28",
    "Sampler": "DPM++ 2M",
    "Schedule type": "Karras",
    "CFG scale": "6.5",
    "Seed": "99",
    "Size-1": "512",
    "Size-2": "768",
    "Model hash": "abc123",
    "Model": "anything",
    "Lora hashes": "one: 0123456789ab",
    "Version": "v1.10.1",
}


def told(client: httpx.Client, image: str) -> dict[str, Any]:
    answer = client.post("/sdapi/v1/png-info", json={"image": image})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def png(**texts: str) -> str:
    info = PngInfo()
    for name, text in texts.items():
        info.add_text(name, text)
    return encoded(plain((8, 8)), pnginfo=info)


def photo(comment: bytes, kind: str) -> str:
    """As the web UI saves other formats: the infotext in EXIF's comment."""
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = comment
    return encoded(plain((8, 8)), kind, exif=exif)


def test_our_own_images_tell_how_they_were_made(api: httpx.Client) -> None:
    body = {"prompt": "a red cat", "seed": 3, "width": 64, "height": 128, "steps": 2}
    image = api.post("/sdapi/v1/txt2img", json=body).json()["images"][0]
    found = told(api, image)
    assert found["info"].startswith("a red cat\nSteps: 2, Sampler: Euler, CFG scale: 7.0, Seed: 3")
    assert found["parameters"].items() >= {
        "Prompt": "a red cat", "Seed": "3", "Size-1": "64", "Size-2": "128", "Model": "colours",
    }.items()  # fmt: skip
    assert '"prompt": "a red cat"' in found["items"]["darkroom"]


def test_the_web_uis_png_is_read(server: LiveServer) -> None:
    found = told(server.client, png(parameters=INFOTEXT, postprocessing="Upscaler: Lanczos"))
    assert found == {
        "info": INFOTEXT,
        "items": {"postprocessing": "Upscaler: Lanczos"},
        "parameters": PARTS,
    }


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_the_web_uis_other_formats_are_read(server: LiveServer, kind: str) -> None:
    image = photo(b"UNICODE\0" + INFOTEXT.encode("utf-16-be"), kind)
    found = told(server.client, f"data:image/{kind.lower()};base64,{image}")
    assert (found["info"], found["parameters"]) == (INFOTEXT, PARTS)


@pytest.mark.parametrize("image", [png(), photo(b"JIS\0\0\0\0\0x", "JPEG")])
def test_an_image_that_says_nothing_is_no_error(server: LiveServer, image: str) -> None:
    found = told(server.client, image)
    assert (found["info"], found["parameters"]) == ("", {})


def test_a_text_without_settings_is_a_prompt(server: LiveServer) -> None:
    found = told(server.client, png(parameters="just words"))
    assert found["parameters"] == {"Prompt": "just words", "Negative prompt": ""}


@pytest.mark.parametrize("image", ["", "AAAA", "no base64", encoded(plain((8, 8)), "GIF")])
def test_what_is_no_image_is_refused(server: LiveServer, image: str) -> None:
    answer = server.client.post("/sdapi/v1/png-info", json={"image": image})
    assert answer.status_code == 422
    [problem] = answer.json()["detail"]
    assert problem["loc"] == ["body", "image"]
    assert problem["msg"].startswith("Invalid encoded image: ")
    assert "BytesIO" not in problem["msg"]
