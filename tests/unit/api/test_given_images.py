"""Images given with a request: three ways in, one name in the recipe, and what is refused."""

from __future__ import annotations

import base64
import json
import os
import random
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.serving import LiveServer, live_server, problem

TEAL = (10, 120, 130)


def encoded(
    colour: tuple[int, ...] = TEAL,
    size: tuple[int, int] = (40, 20),
    mode: str = "RGB",
    kind: str = "PNG",
    **options: Any,
) -> bytes:
    buffer = BytesIO()
    Image.new(mode, size, colour).save(buffer, kind, **options)
    return buffer.getvalue()


def uri(data: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def left_edge(server: LiveServer, job: dict[str, Any]) -> tuple[int, ...]:
    """The colour that the job took from its image."""
    assert job["status"] == "completed", job
    content = server.client.get(job["images"][0]["url"]).content
    pixel = Image.open(BytesIO(content)).getpixel((0, 0))
    assert isinstance(pixel, tuple)
    return pixel


def send(server: LiveServer, image: str, **words: Any) -> httpx.Response:
    body = {"prompt": "red", "init_image": image, **words}
    return server.client.post("/api/generate", json=body)


def upload(server: LiveServer, request: Any, **files: bytes) -> httpx.Response:
    parts = {"request": (None, json.dumps(request))}
    named = {name: ("a.png", data) for name, data in files.items()}
    return server.client.post("/api/generate", files={**parts, **named})


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_data_uri_is_kept_and_named_by_its_hash(server: LiveServer, kind: str) -> None:
    data = encoded(kind=kind, quality=95) if kind != "PNG" else encoded()
    job = server.made(init_image=uri(data, kind.lower()))
    found = left_edge(server, job)
    assert all(abs(one - other) < 8 for one, other in zip(found, TEAL, strict=True))
    name = job["images"][0]["init_image"]
    assert name.startswith("input:") and len(name) == 70
    # The recipe is a request that makes the same image again.
    again = server.made(init_image=name, seed=job["images"][0]["seed"])
    assert left_edge(server, again) == found


def test_an_upload_is_the_same_as_a_data_uri(server: LiveServer) -> None:
    answer = upload(server, {"prompt": "red", "seed": 3}, init_image=encoded())
    assert answer.status_code == 202, answer.text
    job = server.finish(answer.json()["job_id"])
    assert left_edge(server, job) == TEAL
    assert (
        job["images"][0]["init_image"]
        == server.made(init_image=uri(encoded()))["images"][0]["init_image"]
    )


def test_an_image_of_the_gallery_serves_even_after_its_deletion(server: LiveServer) -> None:
    first = server.made("yellow", seed=1)["images"][0]
    server.client.post("/api/queue/pause")
    job_id = send(server, first["filename"]).json()["job_id"]
    assert server.client.delete(f"/api/images/{first['filename']}").status_code == 204
    server.client.post("/api/queue/resume")
    job = server.finish(job_id)
    assert job["status"] == "completed"
    assert left_edge(server, job) != (200, 30, 30)  # not the prompt's


def test_the_picture_is_turned_as_its_exif_says_and_put_on_white(server: LiveServer) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    picture = Image.new("RGB", (40, 20), "black")
    picture.paste(TEAL, (0, 0, 40, 11))
    buffer = BytesIO()
    picture.save(buffer, "PNG", exif=exif)
    # Upright, the teal half is the right one, and the middle belongs to it.
    assert left_edge(server, server.made(init_image=uri(buffer.getvalue()))) == TEAL
    clear = encoded((0, 0, 0, 0), mode="RGBA")
    assert left_edge(server, server.made(init_image=uri(clear))) == (255, 255, 255)


def chunk(kind: bytes, data: bytes) -> bytes:
    crc = zlib.crc32(kind + data).to_bytes(4, "big")
    return len(data).to_bytes(4, "big") + kind + data + crc


#: A few bytes that claim to be ten gigabytes of pixels.
BOMB = (
    b"\x89PNG\r\n\x1a\n"
    + chunk(b"IHDR", (60_000).to_bytes(4, "big") * 2 + b"\x08\x02\x00\x00\x00")
    + chunk(b"IDAT", zlib.compress(bytes(1000)))
    + chunk(b"IEND", b"")
)


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (uri(b"this is no image"), "no PNG, JPEG or WebP"),
        (uri(encoded(kind="GIF", mode="P", colour=(3,))), "no PNG, JPEG or WebP"),
        (uri(encoded(size=(400, 400))[:-300]), "damaged"),
        (uri(BOMB), "`max_image_pixels` is 40000000"),
        (uri(encoded(size=(7000, 6000), mode="1", colour=(0,))), "max_image_pixels"),
        ("data:image/png;base64,AAAAA", "base64"),
        ("20200101_000000_00000000_0.png", "There is no image"),
        (f"input:{'0' * 64}", "give it again"),
    ],
)
def test_what_is_no_good_image_is_refused_by_name(
    server: LiveServer, image: str, says: str
) -> None:
    answer = send(server, image)
    (error,) = problem(answer, 422, "invalid_parameters")["errors"]
    assert error["loc"] == ["init_image"]
    assert says in error["msg"]


@pytest.mark.parametrize("image", ["/etc/passwd", "../../x.png", "http://example.org/a.png", ""])
def test_nothing_else_is_looked_up(server: LiveServer, image: str) -> None:
    (error,) = problem(send(server, image), 422, "invalid_parameters")["errors"]
    assert error["type"] == "image_source"
    assert "file name of an image of the gallery" in error["msg"]
    assert "base64," not in error["msg"], "no regular expression"


def test_too_little_strength_for_the_steps_is_refused(server: LiveServer) -> None:
    answer = send(server, uri(encoded()), steps=4, strength=0.2)
    body = problem(answer, 422, "invalid_parameters")
    (error,) = body["errors"]
    assert error["loc"] == ["strength"] and "`steps` times `strength`" in error["msg"]
    assert body["detail"] == f"strength: {error['msg']}"
    assert server.made(steps=4, strength=0.2)["status"] == "completed"  # without an image


def test_a_form_that_is_none_is_refused(server: LiveServer) -> None:
    text = server.client.post("/api/generate", files={"prompt": (None, "red")})
    assert "part `request`" in problem(text, 400, "malformed_request")["detail"]
    fields = {"prompt": (None, "red"), "strength": (None, "0.5"), "steps": (None, "4")}
    several = server.client.post("/api/generate", files=fields)
    assert "as JSON in the part `request`" in problem(several, 400, "malformed_request")["detail"]
    broken = server.client.post(
        "/api/generate",
        content=b"--x\r\nnonsense",
        headers={"Content-Type": "multipart/form-data; boundary=x"},
    )
    assert broken.status_code in (400, 422)
    unknown = upload(server, {"prompt": "red"}, picture=encoded())
    assert problem(unknown, 422, "invalid_parameters")["errors"][0]["loc"] == ["picture"]


def test_a_warning_of_the_model_stands_in_the_job(server: LiveServer) -> None:
    job = server.made("red " * 51)
    assert job["warnings"] == ["The prompt has more than 50 words."]


def kept(server: LiveServer) -> list[str]:
    return sorted(path.name for path in server.service.settings.folders.inputs.iterdir())


def noise(edge: int = 600) -> bytes:
    """A picture that nobody gave before."""
    pixels = np.frombuffer(random.randbytes(edge * edge * 3), np.uint8)
    buffer = BytesIO()
    Image.fromarray(pixels.reshape(edge, edge, 3)).save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()


def test_one_image_may_be_given_by_many_at_once(paused: LiveServer) -> None:
    image, before = uri(noise()), kept(paused)
    url = f"{paused.client.base_url}/api/generate"

    def give(seed: int) -> httpx.Response:
        body = {"prompt": "red", "init_image": image, "seed": seed}
        return httpx.post(url, json=body, timeout=30)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(give, range(8)))
    assert [answer.status_code for answer in answers] == [202] * 8
    assert len(kept(paused)) == len(before) + 1
    for answer in answers:
        paused.client.delete(answer.json()["job_url"])


def test_greys_of_16_bits_are_scaled(server: LiveServer) -> None:
    buffer = BytesIO()
    Image.fromarray(np.full((20, 40), 40_000, np.uint16)).save(buffer, "PNG")
    level = round(40_000 / 257)
    assert left_edge(server, server.made(init_image=uri(buffer.getvalue()))) == (level,) * 3


#: Tags that are no TIFF, that lead beyond the end, and whose orientation is none.
BROKEN_TAGS = [
    b"junkjunkjunk",
    b"II*\0\x08\0\0\0\xff\xff",
    b"MM\0*\0\0\0\x08\0\1\x01\x12\0\5\0\0\0\1\xff\0\0\0\0\0",
]


def with_exif(tags: bytes) -> str:
    image = encoded()
    place = image.index(b"IDAT") - 4
    return uri(image[:place] + chunk(b"eXIf", tags) + image[place:])


@pytest.mark.parametrize("tags", BROKEN_TAGS[1:])
def test_small_faults_of_exif_do_not_matter(server: LiveServer, tags: bytes) -> None:
    assert left_edge(server, server.made(init_image=with_exif(tags))) == TEAL


def test_exif_that_is_none_is_refused_at_once(server: LiveServer) -> None:
    answer = send(server, with_exif(BROKEN_TAGS[0]))
    (error,) = problem(answer, 422, "invalid_parameters")["errors"]
    assert error["loc"] == ["init_image"] and "damaged" in error["msg"]


def test_files_stand_for_images_only(server: LiveServer) -> None:
    answer = upload(server, {"prompt": "red"}, model=bytes(2_000_000), prompt=b"x")
    errors = problem(answer, 422, "invalid_parameters")["errors"]
    assert [error["loc"] for error in errors] == [["model"], ["prompt"]]
    assert "`init_image`" in errors[0]["msg"]
    assert len(answer.content) < 2000


def test_an_image_is_given_once(server: LiveServer) -> None:
    def refused(parts: list[tuple[str, tuple[str | None, bytes]]], word: str) -> None:
        answer = server.client.post("/api/generate", files=parts)
        (error,) = problem(answer, 422, "invalid_parameters")["errors"]
        assert (error["loc"], error["type"]) == ([word], "duplicate_parameter")

    file = ("a.png", encoded())
    bare = ("request", (None, b'{"prompt": "red"}'))
    named = json.dumps({"prompt": "red", "init_image": uri(encoded())}).encode()
    refused([bare, ("init_image", file), ("init_image", file)], "init_image")
    refused([bare, ("init_image", file), ("init_image[]", file)], "init_image")
    refused([("request", (None, named)), ("init_image", file)], "init_image")
    refused([bare, ("request", ("b.json", b"{}")), ("init_image", file)], "request")


def test_a_dry_run_looks_at_the_images_and_keeps_none(server: LiveServer) -> None:
    before = kept(server)
    url = "/api/generate?dry_run=true"
    bad = server.client.post(url, json={"prompt": "red", "init_image": uri(b"no image")})
    assert problem(bad, 422, "invalid_parameters")["errors"][0]["loc"] == ["init_image"]
    answer = server.client.post(url, json={"prompt": "red", "init_image": uri(noise())})
    assert answer.status_code == 200
    assert answer.json()["params"]["init_image"].startswith("input:")
    assert len(answer.content) < 2000
    assert kept(server) == before


def test_refused_requests_leave_no_images(tmp_path: Path) -> None:
    with live_server(tmp_path, max_queued=1, on_start="pause") as full:
        full.submit()
        problem(send(full, uri(noise())), 503, "queue_full")
        assert kept(full) == []


def test_a_queue_that_fills_meanwhile_leaves_no_images(tmp_path: Path) -> None:
    with live_server(tmp_path, max_queued=3, on_start="pause") as full:
        url = f"{full.client.base_url}/api/generate"

        def give(number: int) -> int:
            body = {"prompt": "red", "init_image": uri(noise()), "seed": number}
            return httpx.post(url, json=body, timeout=30).status_code

        with ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(give, range(8)))
        assert sorted(statuses) == [202] * 3 + [503] * 5
        assert len(kept(full)) == 3


def test_a_name_that_is_given_again_is_as_good_as_new(server: LiveServer) -> None:
    name = server.made(init_image=uri(encoded((1, 2, 3))))["images"][0]["init_image"]
    path = server.service.settings.folders.inputs / name.removeprefix("input:")
    os.utime(path, (0, 0))
    server.made(init_image=name)
    assert path.stat().st_mtime > 1_000_000_000


def test_the_limits_of_images_and_bodies_are_settings(tmp_path: Path) -> None:
    large = uri(encoded(size=(80, 80)))
    with live_server(tmp_path, max_image_pixels=4096, max_body_bytes=5000) as strict:
        assert "4096" in problem(send(strict, large), 422, "invalid_parameters")["detail"]
        assert send(strict, uri(encoded(size=(64, 64)))).status_code == 202
        problem(send(strict, uri(noise(60))), 413, "body_too_large")
    with live_server(tmp_path, max_image_pixels=6400, max_body_bytes=50_000) as generous:
        for image in (large, uri(noise(60))):
            assert send(generous, image).status_code == 202


@pytest.mark.parametrize("word", ["model", "wort"])
def test_long_names_are_neither_compared_nor_repeated(server: LiveServer, word: str) -> None:
    long = "colour" * 500_000
    body = {"prompt": "red", "model": long} if word == "model" else {"prompt": "red", long: 1}
    answer = server.client.post("/api/generate", json=body)
    (error,) = problem(answer, 422, "invalid_parameters")["errors"]
    assert "did you mean" not in error["msg"]
    assert len(answer.content) < 2000


def test_thousands_of_unknown_words_are_told_in_part(server: LiveServer) -> None:
    body = {"prompt": "red", **{f"promptt{number}": 1 for number in range(50_000)}}
    answer = server.client.post("/api/generate", json=body)
    assert len(problem(answer, 422, "invalid_parameters")["errors"]) == 20
