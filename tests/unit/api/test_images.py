"""The gallery: pages of images, the files, deletion."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from tests.serving import LiveServer, conform, problem

IMAGE_FIELDS = {
    "id", "filename", "url", "thumb_url", "width", "height", "created_at", "job_id", "index",
    "model", "seconds", "size", "prompt", "negative_prompt", "steps", "cfg_scale", "sampler",
    "seed", "delay",
}  # fmt: skip


def test_lists_images_with_their_recipes(server: LiveServer, made: dict[str, Any]) -> None:
    page = server.client.get("/api/images", params={"q": "house"}).json()
    conform(server, "ImagePage", page)
    assert page["images"] == made["images"][::-1]
    assert (page["total"], page["limit"], page["offset"]) == (2, 50, 0)
    assert page["next_cursor"] is None
    image = page["images"][1]
    assert image.keys() >= IMAGE_FIELDS
    assert image["filename"] == f"{made['job_id']}_0.png"
    assert image["url"] == f"/api/images/{image['filename']}"
    assert image["thumb_url"] == f"/api/thumbs/{image['filename']}"


def test_pages_by_cursor_and_offset(server: LiveServer, made: dict[str, Any]) -> None:
    everything = server.client.get("/api/images").json()["images"]
    first = server.client.get("/api/images?limit=1").json()
    by_cursor = server.client.get(
        "/api/images", params={"limit": 1, "cursor": first["next_cursor"]}
    ).json()
    by_offset = server.client.get("/api/images?limit=1&offset=1").json()
    assert by_cursor["images"] == by_offset["images"] == everything[1:2]
    assert server.client.get(f"/api/images?offset={'9' * 30}").json()["images"] == []
    problem(server.client.get("/api/images?offset=-1"), 422, "invalid_parameters")


def test_filters_by_model_and_adapter(server: LiveServer, made: dict[str, Any]) -> None:
    names = {
        image["model"] for image in server.client.get("/api/images?model=colors").json()["images"]
    }
    assert names == {"colours"}
    assert server.client.get("/api/images?lora=nobody").json()["total"] == 0


@pytest.mark.parametrize(
    ("kind", "format_"), [("url", "PNG"), ("thumb_url", "WEBP")], ids=["image", "thumbnail"]
)
def test_serves_files_for_good(
    server: LiveServer, made: dict[str, Any], kind: str, format_: str
) -> None:
    url = made["images"][0][kind]
    answer = server.client.get(url)
    assert answer.headers["content-type"] == f"image/{format_.lower()}"
    assert Image.open(io.BytesIO(answer.content)).format == format_
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
    head = server.client.head(url)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(answer.content))
    assert head.headers["etag"] == answer.headers["etag"]


def test_a_thumbnail_is_half_as_large(server: LiveServer, made: dict[str, Any]) -> None:
    answer = server.client.get(made["images"][0]["thumb_url"])
    assert Image.open(io.BytesIO(answer.content)).size == (48, 32)


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_a_known_file_is_not_sent_again(
    server: LiveServer, made: dict[str, Any], form: str
) -> None:
    url = made["images"][0]["url"]
    etag = server.client.get(url).headers["etag"]
    answer = server.client.get(url, headers={"If-None-Match": form.format(etag)})
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == etag
    assert "immutable" in answer.headers["cache-control"]


def test_another_file_is_sent(server: LiveServer, made: dict[str, Any]) -> None:
    url = made["images"][0]["url"]
    assert server.client.get(url, headers={"If-None-Match": '"x"'}).status_code == 200


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        ("bytes=0-9", slice(0, 10)),
        ("bytes=10-", slice(10, None)),
        ("bytes=-10", slice(-10, None)),
        ("BYTES=5-99999999", slice(5, None)),
    ],
)
def test_serves_a_range(server: LiveServer, made: dict[str, Any], wanted: str, part: slice) -> None:
    url = made["images"][0]["url"]
    whole = server.client.get(url).content
    answer = server.client.get(url, headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (206, whole[part])
    start, stop, _ = part.indices(len(whole))
    expected = f"bytes {start}-{stop - 1}/{len(whole)}"
    assert answer.headers["content-range"] == expected


@pytest.mark.parametrize(
    "wanted", ["bytes=9-2", "bytes=", "bytes=-", "lines=1-2", "bytes=a-b", "bytes=0-1,5-6", "x",
               f"bytes={'9' * 5000}-"]
)  # fmt: skip
def test_ignores_a_range_that_makes_no_sense(
    server: LiveServer, made: dict[str, Any], wanted: str
) -> None:
    answer = server.client.get(made["images"][0]["url"], headers={"Range": wanted})
    assert answer.status_code == 200


@pytest.mark.parametrize("wanted", ["bytes=9999999-", "bytes=-0"])
def test_refuses_a_range_beyond_the_end(
    server: LiveServer, made: dict[str, Any], wanted: str
) -> None:
    url = made["images"][0]["url"]
    size = len(server.client.get(url).content)
    answer = server.client.get(url, headers={"Range": wanted})
    problem(answer, 416, "range_not_satisfiable")
    assert answer.headers["content-range"] == f"bytes */{size}"


@pytest.mark.parametrize(
    "name", ["nobody.png", "..%2f..%2fdarkroom.db", "%2e%2e%2fdarkroom.db", "%00.png", "%ff"]
)
def test_serves_nothing_else(server: LiveServer, made: dict[str, Any], name: str) -> None:
    for folder in ("images", "thumbs"):
        answer = server.client.get(f"/api/{folder}/{name}")
        assert answer.status_code == 404
        assert answer.json()["code"] in ("image_not_found", "not_found")


def test_deletes_an_image_and_keeps_its_job(server: LiveServer) -> None:
    job = server.made("green")
    image = job["images"][0]
    assert server.client.delete(image["url"]).status_code == 204
    problem(server.client.get(image["url"]), 404, "image_not_found")
    problem(server.client.get(image["thumb_url"]), 404, "image_not_found")
    problem(server.client.delete(image["url"]), 404, "image_not_found")
    assert server.snapshot(job["job_id"])["status"] == "completed"
