"""The example of docs/how-to/write-a-dialect.md works as printed."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests.dialects.camera import GUIDE
from tests.serving import LiveServer, live_server

CURL = re.compile(r"^curl .*$", re.MULTILINE)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, camera_folder: Path) -> Iterator[LiveServer]:
    data = tmp_path_factory.mktemp("data")
    with live_server(
        data, listen=[{"dialect": "camera", "port": 0}], plugin_folder=camera_folder
    ) as running:
        yield running


@pytest.fixture(scope="module")
def own(server: LiveServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url_of("camera"), timeout=30) as client:
        yield client


def printed(number: int) -> tuple[str, dict[str, str]]:
    """The path and the body of a request that the page shows."""
    _, url, *_, body = shlex.split(CURL.findall(GUIDE.read_text("utf-8"))[number])
    return httpx.URL(url).path, json.loads(body)


def test_the_page_shows_both_addresses() -> None:
    assert [printed(0)[0], printed(1)[0]] == ["/camera/snap", "/snap"]


@pytest.mark.parametrize("number", [0, 1])
def test_a_printed_request_makes_a_picture(
    server: LiveServer, own: httpx.Client, number: int
) -> None:
    client = [server.client, own][number]
    path, body = printed(number)
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    url = httpx.URL(answer.json()["print"])
    assert (url.host, url.port) == (client.base_url.host, client.base_url.port)
    image = Image.open(BytesIO(client.get(url).content))
    assert image.size == (1024, 1024)
    assert image.getpixel((0, 512)) == (200, 30, 30), "the colours' red"


def test_the_shape_is_kept(server: LiveServer) -> None:
    answer = server.client.post("/camera/snap", json={"words": "a boat", "shape": "3:2"})
    name = Path(answer.json()["print"]).name
    [made] = [
        image for image in server.client.get("/api/images").json()["images"]
        if image["filename"] == name
    ]  # fmt: skip
    assert (made["width"], made["height"]) == (1248, 832)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/camera/snap", {"words": ""}, 422),
        ("POST", "/camera/snap", {"words": "x", "shape": "wide"}, 400),
        ("GET", "/camera/prints/nothing.png", None, 404),
        ("GET", "/camera/elsewhere", None, 404),
        ("DELETE", "/camera/snap", None, 405),
    ],
)
def test_errors_are_in_its_shape(
    server: LiveServer, own: httpx.Client, *, method: str, path: str, body: object, status: int
) -> None:
    for client, place in [(server.client, path), (own, path.removeprefix("/camera"))]:
        answer = client.request(method, place, json=body)
        assert answer.status_code == status, answer.text
        assert list(answer.json()) == ["trouble"]
        assert answer.json()["trouble"]


def test_other_paths_keep_the_shape_of_the_main_api(server: LiveServer, own: httpx.Client) -> None:
    answer = server.client.get("/cameras")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert own.get("/api/info").json().keys() == {"trouble"}


def test_its_documents_describe_its_routes_alone(server: LiveServer, own: httpx.Client) -> None:
    alone = own.get("/openapi.json").json()
    main = server.client.get("/openapi/camera.json").json()
    assert [*alone["paths"]] == ["/snap", "/prints/{name}"]
    assert [*main["paths"]] == ["/camera/snap", "/camera/prints/{name}"]
    assert "422" not in main["paths"]["/camera/snap"]["post"]["responses"]
    assert not any("camera" in path for path in server.client.get("/openapi.json").json()["paths"])
    assert "Camera" in server.client.get("/docs/camera").text
    assert "/openapi.json" in own.get("/docs").text
