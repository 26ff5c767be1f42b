"""Who sees the bytes of images, where the server asks for keys."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import pytest
from PIL import Image

from tests.serving import LiveServer, live_server

#: Every address of an image's bytes.
ADDRESSES = (
    "/api/images/{id}_0.png",
    "/api/thumbs/{id}_0.png",
    "/outputs/flux_{id}.png",
    "/outputs/flux_{id}.jpeg",
    "/cyberimage/api/get_image/img_{id}_0",
    "/v1/images/files/{id}_0.png",
    "/generated/{id}_0.png",
    "/generated/image_1.png",
)


@pytest.fixture(scope="module", params=[False, True], ids=["open", "closed"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    """A server with a key; its images need one, or not."""
    data = tmp_path_factory.mktemp("data")
    with live_server(data, images_need_key=request.param) as running:
        yield running


@pytest.fixture(scope="module")
def key(server: LiveServer) -> str:
    return server.service.keys.add("laptop")


@pytest.fixture(scope="module")
def job_id(server: LiveServer, key: str) -> str:
    """A job with an image."""
    headers = {"x-key": key}
    body = {"prompt": "red", "response_format": "url"}
    answer = server.client.post("/v1/images/generations", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    name: str = answer.json()["data"][0]["url"].rpartition("/")[2]
    return name.removesuffix("_0.png")


@pytest.mark.parametrize("address", ADDRESSES)
def test_who_sees_an_image(server: LiveServer, key: str, job_id: str, address: str) -> None:
    path = address.format(id=job_id)
    needs_key = server.service.settings.images_need_key or "image_1" in path
    without = server.client.get(path)
    shown = server.client.get(path, headers={"x-key": key})
    assert shown.status_code == 200, shown.text
    assert Image.open(BytesIO(shown.content)).size > (1, 1)
    if needs_key:
        assert without.status_code == (403 if "outputs" in path else 401)
        assert shown.headers["cache-control"].startswith("private, ")
    else:
        assert without.content == shown.content
        assert without.headers["cache-control"].startswith("public, ")


def test_polling_tells_where_the_image_is(server: LiveServer, key: str, job_id: str) -> None:
    path = f"/v1/get_result?id={job_id}"
    assert server.client.get(path, headers={"x-key": key}).status_code == 200
    closed = server.service.settings.images_need_key
    assert server.client.get(path).status_code == (403 if closed else 200)
