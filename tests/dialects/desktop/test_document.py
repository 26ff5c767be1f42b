"""The document's own examples, on the main port and on the port of its own."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx
import pytest
from PIL import Image
from websockets.sync.client import connect

from tests.dialects.desktop import document
from tests.dialects.desktop.document import part, shape
from tests.plugins.colours import left_edge
from tests.servers import PATIENCE, ServerProcess
from tests.support import PLUGINS

SUNSET = document.TEXT_TO_IMAGE["prompt"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    data = tmp_path_factory.mktemp("desktop") / "data"
    family = ("--plugin-folder", str(PLUGINS), "--default-model", "colours", "--no-preload")
    with ServerProcess(data, *family, "--device", "cpu", "--listen", "desktop=0") as running:
        yield running


@pytest.fixture(scope="module", params=["main", "own"])
def client(server: ServerProcess, request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """A client of the main port, and one of the dialect's own."""
    url = server.url if request.param == "main" else server.url_of("desktop")
    with httpx.Client(base_url=url, timeout=PATIENCE) as made:
        yield made


def generated(client: httpx.Client, **words: Any) -> dict[str, Any]:
    """The image of the document's request, with some words changed."""
    body = {**document.TEXT_TO_IMAGE, **words}
    answer = client.post("/api/generate/text-to-image", json=body)
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


def picture(client: httpx.Client, path: str) -> Image.Image:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    return Image.open(BytesIO(answer.content)).convert("RGB")


def test_text_to_image(client: httpx.Client) -> None:
    answer = client.post("/api/generate/text-to-image", json=document.TEXT_TO_IMAGE)
    assert answer.status_code == 200
    body = answer.json()
    assert body.keys() == document.GENERATED.keys(), "nothing had to be changed: no message"
    assert shape(body, document.GENERATED) == shape(document.GENERATED, document.GENERATED)
    data = body["data"]
    assert (data["prompt"], data["seed"]) == (SUNSET, 42)
    assert data["created_at"] == data["createdAt"] and data["created_at"].endswith("Z")
    assert data["filePath"] == f"/generated/image_{data['id']}.png"
    base = str(client.base_url).rstrip("/")
    assert data["url"] == f"{base}/generated/{data['taskId']}_0.png"
    image = picture(client, data["url"])
    assert image.size == (512, 512)
    assert image.getpixel((0, 256)) == left_edge(SUNSET)
    assert picture(client, data["filePath"]).tobytes() == image.tobytes()


def test_image_to_image(client: httpx.Client) -> None:
    seed = generated(client, prompt="green hills", width=640, height=384)
    body = {**document.IMAGE_TO_IMAGE, "seedImage": seed["filePath"]}
    answer = client.post("/api/generate/image-to-image", json=body)
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert shape(data, document.GENERATION) == shape(document.GENERATION, document.GENERATION)
    assert data["prompt"] == document.IMAGE_TO_IMAGE["prompt"]
    image, given = picture(client, data["filePath"]), picture(client, seed["filePath"])
    assert image.size == (640, 384), "as large as the given image"
    assert image.getpixel((0, 0)) == given.getpixel((320, 192))


def test_upscale(client: httpx.Client) -> None:
    small = generated(client, prompt="a red hill", width=96, height=64)
    body = {**document.UPSCALE, "imagePath": small["filePath"]}
    answer = client.post("/api/generate/upscale", json=body)
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert data["prompt"] == "a red hill"
    assert part(data["parameters"], {"width": 0, "height": 0}) == {"width": 192, "height": 128}
    given = picture(client, small["filePath"])
    expected = given.resize((192, 128), Image.Resampling.LANCZOS)
    assert picture(client, data["url"]).tobytes() == expected.tobytes()


def test_the_scale_is_two_when_nothing_else_is_said(client: httpx.Client) -> None:
    small = generated(client, width=64, height=64)
    answer = client.post("/api/generate/upscale", json={"imagePath": small["filePath"]})
    assert picture(client, answer.json()["data"]["filePath"]).size == (128, 128)


def test_history(client: httpx.Client) -> None:
    first, second = generated(client, prompt="one"), generated(client, prompt="two")
    page = client.get("/api/history").json()
    assert page.keys() == document.HISTORY.keys()
    assert shape(page, document.HISTORY) == shape(document.HISTORY, document.HISTORY)
    assert page["data"][:2] == [second, first]
    assert page["data"][0]["type"] == "image"
    assert page["total"] >= len(page["data"]) > 1
    paged = client.get("/api/history", params={"limit": 1, "offset": 1, "type": "image"}).json()
    assert paged == {"success": True, "data": [first], "total": page["total"]}
    videos = client.get("/api/history", params={"type": "video"}).json()
    assert videos == {"success": True, "data": [], "total": 0}


def test_one_generation(client: httpx.Client) -> None:
    made = generated(client)
    answer = client.get(f"/api/history/{made['id']}").json()
    assert shape(answer, document.SHOWN) == shape(document.SHOWN, document.SHOWN)
    like = document.SHOWN["data"]["parameters"]
    assert part(answer["data"]["parameters"], like) == like
    assert answer["data"]["parameters"]["cfgScale"] == 7.5
    assert answer["data"]["negativePrompt"] == "blurry, low quality"
    assert answer["data"] == made


def test_deleting(client: httpx.Client, server: ServerProcess) -> None:
    made = generated(client)
    (name,) = [image["filename"] for image in server.images() if image["id"] == made["id"]]
    assert server.client.get(f"/api/thumbs/{name}").status_code == 200
    answer = client.delete(f"/api/history/{made['id']}")
    assert (answer.status_code, answer.json()) == (200, document.DELETED)
    for path in (made["filePath"], f"/api/images/{name}", f"/api/thumbs/{name}"):
        assert server.client.get(path).status_code == 404
    for again in (client.get, client.delete):
        gone = again(f"/api/history/{made['id']}")
        assert gone.status_code == 404
        assert part(gone.json(), document.NOT_FOUND) == document.NOT_FOUND
        assert gone.json()["code"] == "NOT_FOUND"


def test_settings(client: httpx.Client) -> None:
    before = client.get("/api/settings").json()
    assert part(before, document.SETTINGS) == document.SETTINGS
    assert shape(before["data"], document.EVERY_SETTING) == shape(
        document.EVERY_SETTING, document.EVERY_SETTING
    )
    try:
        answer = client.put("/api/settings", json=document.CHANGE)
        assert answer.status_code == 200
        assert part(answer.json(), document.CHANGED) == document.CHANGED
        assert client.get("/api/settings").json()["data"] == answer.json()["data"]
    finally:
        client.put("/api/settings", json=before["data"])
    assert client.get("/api/settings").json() == before


def test_no_prompt(client: httpx.Client) -> None:
    answer = client.post("/api/generate/text-to-image", json={"width": 512})
    assert answer.status_code == 400
    assert part(answer.json(), document.NO_PROMPT) == document.NO_PROMPT


def test_progress(client: httpx.Client, server: ServerProcess) -> None:
    address = str(client.base_url).replace("http://", "ws://").rstrip("/")
    with connect(f"{address}/ws/generation") as socket:
        made = generated(client)
        messages = [json.loads(socket.recv(timeout=PATIENCE))]
        while messages[-1]["status"] not in ("completed", "failed"):
            messages.append(json.loads(socket.recv(timeout=PATIENCE)))
    for message in messages:
        assert message.keys() == document.PROGRESS.keys()
        assert shape(message, document.PROGRESS) == shape(document.PROGRESS, document.PROGRESS)
        assert message["status"] in document.STATUSES
    assert {message["taskId"] for message in messages} == {made["taskId"]}
    assert [messages[0]["status"], messages[-1]["status"]] == ["queued", "completed"]
    numbers = [message["progress"] for message in messages]
    assert numbers == sorted(numbers) and numbers[-1] == 100


def test_a_job_of_ours_is_everybodys(server: ServerProcess) -> None:
    made = generated(server.client, prompt="a yellow hill")
    job = server.get(f"/api/jobs/{made['taskId']}")
    assert (job["status"], job["params"]["prompt"]) == ("completed", "a yellow hill")
    (image,) = [image for image in server.images() if image["id"] == made["id"]]
    assert image["job_id"] == made["taskId"]
    before = {"Last-Event-ID": str(made["id"] - 1)}
    event = next(server.events("/api/sse/gallery", **before))
    assert json.loads(event.data) == image
    assert server.client.delete(f"/api/images/{image['filename']}").status_code == 204
    assert server.client.get(f"/api/history/{made['id']}").status_code == 404


def test_jobs_of_others_are_ours(server: ServerProcess, client: httpx.Client) -> None:
    ended = server.wait(server.submit("a white hill", width=64, height=64))
    shown = client.get("/api/history?limit=1").json()["data"][0]
    assert (shown["id"], shown["prompt"]) == (ended["images"][0]["id"], "a white hill")
    assert shown["taskId"] == ended["job_id"]
    assert picture(client, shown["url"]).getpixel((0, 0)) == left_edge("a white hill")


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="this system limits no other process")
def test_a_disk_that_takes_nothing(server: ServerProcess) -> None:
    limits = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        answers = [
            server.client.put("/api/settings", json={"defaultSteps": 7}),
            server.client.post("/api/generate/text-to-image", json=document.TEXT_TO_IMAGE),
        ]
    finally:
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limits)
    for answer in answers:
        assert answer.status_code == 503, answer.text
        assert answer.json()["code"] == "DATABASE_ERROR"
        assert int(answer.headers["retry-after"]) > 0
    assert server.get("/api/settings")["data"]["defaultSteps"] == 25
    assert generated(server.client)["prompt"] == SUNSET, "once there is room it goes on"


def test_health(server: ServerProcess) -> None:
    own = httpx.get(f"{server.url_of('desktop')}/health").json()
    assert own == document.HEALTH
    assert server.get("/health").items() >= document.HEALTH.items(), "the main port's own"


def test_the_own_port_has_its_documentation(server: ServerProcess) -> None:
    url = server.url_of("desktop")
    for page in ("/docs", "/redoc"):
        assert "Desktop backend" in httpx.get(f"{url}{page}").text
    paths = httpx.get(f"{url}/openapi.json").json()["paths"]
    assert {"/health", "/api/history/{number}", "/api/settings"} <= paths.keys()


@pytest.mark.slow
def test_a_real_model(server: ServerProcess) -> None:
    body = {"prompt": "a red circle on a blue background", "width": 64, "height": 64, "seed": 1}
    server.client.post("/api/models/postcard/load")
    try:
        answer = server.client.post("/api/generate/text-to-image", json={**body, "steps": 6})
    finally:
        server.client.post("/api/models/colours/load")
    assert answer.status_code == 200, answer.text
    image = picture(server.client, answer.json()["data"]["filePath"])
    red, _, blue = image.getpixel((2, 2))  # type: ignore[misc]
    assert image.size == (64, 64)
    assert blue > red, "the background"
