"""Edits: given images, masks, their sizes, and what is wrong with them."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from tests.dialects.openai.asking import (
    EDITS,
    answered,
    coloured,
    data_uri,
    events,
    mask,
    pictures,
    refused,
)
from tests.serving import LiveServer

RED, TEAL = (255, 0, 0), (0, 128, 128)
#: Its header is whole.
DAMAGED = coloured((0, 0, 0, 0)).replace(b"IDAT", b"IDAT\0\0\0")
PROMPT = {"prompt": "a teal boat"}


@pytest.mark.parametrize("name", ["image", "image[]", "image[0]"])
def test_parts_are_named_as_clients_name_them(server: LiveServer, name: str) -> None:
    files = [(name, coloured("red")), (name, coloured("blue", kind="WEBP"))]
    found = answered(server.client.post(EDITS, data=PROMPT, files=files))
    [image] = pictures(found)
    assert (image.getpixel((0, 0)), image.getpixel((127, 0))) == (RED, (0, 0, 255))


def test_image_to_image_of_a_model_that_takes_one(server: LiveServer) -> None:
    words = {**PROMPT, "model": "dall-e-3", "strength": "0.5", "steps": "4", "n": "2", "seed": "3"}
    files = {"image": coloured("red", kind="JPEG")}
    found = answered(server.client.post(EDITS, data=words, files=files))
    reds = [image.getpixel((0, 32)) for image in pictures(found)]
    assert len(reds) == 2
    assert all(red > 250 and green < 5 and blue < 5 for red, green, blue in reds)
    job_id = server.client.get("/api/jobs").json()["jobs"][0]["job_id"]
    params = server.client.get(f"/api/jobs/{job_id}").json()["params"]
    assert (params["strength"], params["steps"], params["seed"]) == (0.5, 4, 3)


@pytest.mark.parametrize(
    ("given", "size", "expected"),
    [
        ((320, 160), None, (176, 96)),
        ((160, 320), "auto", (96, 176)),
        ((320, 160), "64x256", (64, 256)),
        ((90, 90), "9000x10", (256, 64)),
    ],
)
def test_an_edit_has_the_shape_of_its_image_unless_it_says_another(
    server: LiveServer, given: tuple[int, int], size: str | None, expected: tuple[int, int]
) -> None:
    words = PROMPT if size is None else {**PROMPT, "size": size}
    found = answered(server.client.post(EDITS, data=words, files={"image": coloured("red", given)}))
    assert pictures(found)[0].size == expected
    assert found["size"] == "{}x{}".format(*expected)


def test_only_what_the_mask_leaves_transparent_changes(server: LiveServer) -> None:
    for request in (
        {"data": PROMPT, "files": {"image": coloured("red"), "mask": mask()}},
        {
            "json": {
                **PROMPT,
                "images": [{"image_url": data_uri(coloured("red"))}],
                "mask": {"image_url": data_uri(mask())},
            }
        },
    ):
        [image] = pictures(answered(server.client.post(EDITS, **request)))
        assert image.getpixel((5, 5)) == TEAL
        assert image.getpixel((image.width - 5, 5)) == RED


def test_half_transparent_is_kept(server: LiveServer) -> None:
    soft = coloured((0, 0, 0, 1))
    answer = server.client.post(EDITS, data=PROMPT, files={"image": coloured("red"), "mask": soft})
    assert pictures(answered(answer))[0].getpixel((5, 5)) == RED


def test_a_palette_with_a_transparent_colour_is_a_mask(server: LiveServer) -> None:
    image = Image.new("P", (64, 64), 1)
    image.putpalette([0, 0, 0, 255, 255, 255])
    image.paste(0, (0, 0, 32, 64))
    written = BytesIO()
    image.save(written, "PNG", transparency=0)
    files = {"image": coloured("red"), "mask": written.getvalue()}
    [made] = pictures(answered(server.client.post(EDITS, data=PROMPT, files=files)))
    assert (made.getpixel((5, 5)), made.getpixel((120, 5))) == (TEAL, RED)


def test_a_streamed_edit(server: LiveServer) -> None:
    words = {**PROMPT, "model": "slow", "stream": "True", "partial_images": "2"}
    told = events(server.client, EDITS, data=words, files={"image": coloured("red")})
    assert [name for name, _ in told][-1] == "image_edit.completed"
    assert {name for name, _ in told[:-1]} == {"image_edit.partial_image"}


@pytest.mark.parametrize(
    ("words", "files", "param", "says"),
    [
        (PROMPT, {}, "image", "required"),
        ({}, {"image": coloured("red")}, "prompt", "required"),
        (PROMPT, {"image": b"no image"}, "image", "no image"),
        (PROMPT, {"image": coloured("red", kind="GIF")}, "image", "PNG, JPEG, WEBP"),
        (PROMPT, {"image": coloured("red", (400, 400))}, "image", "max_image_pixels"),
        (PROMPT, {"image": DAMAGED}, "image", "damaged"),
        (PROMPT, {"image": coloured("red"), "mask": coloured("red")}, "mask", "no transparency"),
        (PROMPT, {"image": coloured("red"), "mask": mask((32, 64))}, "mask", "32 x 64"),
        (PROMPT, {"image": coloured("red"), "mask": b"?"}, "mask", "no image"),
        (PROMPT, {"image": coloured("red"), "mask": DAMAGED}, "mask", "damaged"),
        (PROMPT, {"image": coloured("red"), "markup": mask()}, "markup", "not supported"),
        ({**PROMPT, "n": "two"}, {"image": coloured("red")}, "n", "integer"),
        ({**PROMPT, "n": "NaN"}, {"image": coloured("red")}, "n", "integer"),
        ({**PROMPT, "stream": "yes"}, {"image": coloured("red")}, "stream", "boolean"),
        ({**PROMPT, "loras": "[" * 3000}, {"image": coloured("red")}, "loras", "list"),
        ({**PROMPT, "image": "https://example.org/a.png"}, {"x": b""}, "image", "not fetched"),
        ({**PROMPT, "image": "data:image/png;base64,%"}, {"x": b""}, "image", "base64"),
    ],
)
def test_what_is_wrong_with_a_form(
    server: LiveServer, words: dict[str, str], files: Any, param: str, says: str
) -> None:
    # An empty form is none: with a file it is sent as one.
    sent = files or {"padding": (None, "x")}
    answer = server.client.post(EDITS, data=words, files=sent)
    missing = says == "required"
    code = "missing_required_parameter" if missing else "invalid_value"
    message = refused(answer, 400, code, param)
    assert says in message


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"images": []}, "images"),
        ({"images": [{"file_id": "file-1"}]}, "images.0.image_url"),
        ({"images": [{"image_url": "https://example.org/a.png"}]}, "images.0.image_url"),
        ({"images": 17 * [{"image_url": "data:;base64,"}]}, "images"),
        ({"images": [{"image_url": "data:image/png;base64,"}]}, "image"),
    ],
)
def test_what_is_wrong_with_json(server: LiveServer, body: dict[str, Any], param: str) -> None:
    answer = server.client.post(EDITS, json={**PROMPT, **body})
    assert refused(answer, 400, "invalid_value", param)


def test_a_model_that_takes_no_mask_names_those_that_do(server: LiveServer) -> None:
    words = {**PROMPT, "model": "dall-e-3"}
    files = {"image": coloured("red"), "mask": mask()}
    message = refused(
        server.client.post(EDITS, data=words, files=files), 400, "invalid_value", "mask"
    )
    assert "collage" in message
    assert "colours" not in message


@pytest.mark.parametrize(("model", "count", "room"), [("dall-e-3", 2, 1), ("collage", 5, 4)])
def test_more_images_than_a_model_takes(
    server: LiveServer, model: str, count: int, room: int
) -> None:
    files = [("image[]", coloured("red"))] * count
    answer = server.client.post(EDITS, data={**PROMPT, "model": model}, files=files)
    assert f"at most {room}" in refused(answer, 400, "invalid_value", "image")


def test_more_images_than_there_may_be(server: LiveServer) -> None:
    for count in (17, 30):
        files = [("image[]", coloured("red"))] * count
        answer = server.client.post(EDITS, data=PROMPT, files=files)
        assert answer.status_code == 400
        assert answer.json()["error"]["type"] == "invalid_request_error"


def test_refused_edits_leave_no_job(server: LiveServer) -> None:
    before = server.client.get("/api/jobs").json()["jobs"]
    server.client.post(EDITS, data=PROMPT, files={"image": coloured("red"), "mask": b"?"})
    assert server.client.get("/api/jobs").json()["jobs"] == before
