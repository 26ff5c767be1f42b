"""What goes wrong is told in this API's shape."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx
import pytest
from PIL import Image

from server.callers import Scope, Tier
from tests.dialects.bfl.asking import poll, submit
from tests.serving import LiveServer, live_server

KEY_FORMS = ("x-key", "X-API-Key", "bearer", "basic", "?key=")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    data = tmp_path_factory.mktemp("data")
    with live_server(
        data, max_queued=3, max_body_bytes=50_000, listen=[{"dialect": "bfl", "port": 0}]
    ) as running:
        yield running


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with keys, a limit and an address of its own."""
    with live_server(
        tmp_path_factory.mktemp("locked"),
        base_url="https://pictures.example",
        dialects={"bfl": {"rate_limit": {"pro": "1/hour"}}},
    ) as running:
        yield running


@pytest.fixture(scope="module")
def key(locked: LiveServer) -> str:
    return locked.service.keys.add("somebody")


def trouble(answer: httpx.Response, status: int) -> dict[str, Any]:
    """Check that an answer is an error in the one shape."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body: dict[str, Any] = answer.json()
    assert body.keys() == {"detail", "message"}
    assert isinstance(body["message"], str)
    assert body["message"]
    return body


def with_key(server: LiveServer, headers: dict[str, str]) -> httpx.Client:
    """A client that sends a key; a context that closes it."""
    return httpx.Client(base_url=server.client.base_url, headers=headers, timeout=30)


def coloured(colour: str, size: tuple[int, int] = (64, 64), kind: str = "PNG") -> str:
    """An image in base64."""
    written = BytesIO()
    Image.new("RGB", size, colour).save(written, kind)
    return base64.b64encode(written.getvalue()).decode()


@pytest.mark.parametrize("prefix", ["", "/bfl"])
def test_an_unknown_model_is_answered_with_the_known_ones(server: LiveServer, prefix: str) -> None:
    answer = server.client.post(f"{prefix}/v1/nothing", json={"prompt": "x"})
    found = trouble(answer, 404)
    assert found["detail"] == found["message"]
    for name in ("'nothing'", "colours", "colors", "flux-2-klein-4b"):
        assert name in found["message"]


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": "x" * 10_001}, "prompt"),
        ({"aspect_ratio": "wide"}, "aspect_ratio"),
        ({"aspect_ratio": "0:1"}, "aspect_ratio"),
        ({"width": "64"}, "width"),
        ({"height": -1}, "height"),
        ({"steps": 0}, "steps"),
        ({"steps": 4.5}, "steps"),
        ({"guidance": -1}, "guidance"),
        ({"seed": True}, "seed"),
        ({"output_format": "gif"}, "output_format"),
        ({"safety_tolerance": 7}, "safety_tolerance"),
        ({"prompt_upsampling": "yes"}, "prompt_upsampling"),
        ({"input_image": "?"}, "input_image"),
        ({"input_image": base64.b64encode(b"no image").decode()}, "input_image"),
        ({"input_image": "https://example.org/image.png"}, "input_image"),
        ({"webhook_url": "ftp://example.org/hook"}, "webhook_url"),
        ({"webhook_url": "http://example.org/hook"}, "webhook_url"),
        ({"webhook_url": "https://127.0.0.1/hook"}, "webhook_url"),
        ({"webhook_url": "https://[::1]:8000/hook"}, "webhook_url"),
        ({"webhook_url": "https://localhost/hook"}, "webhook_url"),
        ({"webhook_url": "https://"}, "webhook_url"),
    ],
)
def test_what_is_wrong_with_a_parameter(server: LiveServer, wrong: Any, word: str) -> None:
    answer = server.client.post("/v1/colours", json={"prompt": "red", **wrong})
    found = trouble(answer, 422)
    assert [item["loc"] for item in found["detail"]] == [["body", word]]
    assert found["message"].startswith(f"{word}: ")


def test_more_images_than_the_model_takes(server: LiveServer) -> None:
    image = coloured("red")
    body = {"prompt": "x", "input_image": image, "input_image_2": image}
    found = trouble(server.client.post("/v1/colours", json=body), 422)
    assert found["detail"][0]["loc"] == ["body", "input_image_2"]
    assert "at most 1" in found["message"]


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("POST", "/v1/colours", b'{"prompt": "x"', 400),
        ("POST", "/v1/colours", b'{"prompt": "\\ud800"}', 400),
        ("POST", "/v1/colours", b"[" * 50_000, 400),
        ("POST", "/v1/colours", b'["x"]', 400),
        ("POST", "/v1/colours", b" " * 50_001, 413),
        ("GET", "/v1/colours", None, 405),
        ("POST", "/v1/get_result", b"{}", 405),
        ("DELETE", "/history", None, 405),
        ("GET", "/v1/elsewhere/x", None, 404),
        ("GET", "/outputs/nothing", None, 404),
        ("GET", "/outputs/flux_20260121_115610_abcd1234.png", None, 404),
        ("GET", "/outputs/..%2f..%2fdarkroom.db", None, 404),
        ("GET", "/v1/get_result", None, 422),
        ("GET", "/history?limit=many", None, 422),
    ],
)
def test_requests_that_cannot_be_understood(
    server: LiveServer, method: str, path: str, content: bytes | None, status: int
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = server.client.request(method, path, content=content, headers=headers)
    trouble(answer, status)
    assert ("allow" in answer.headers) == (status == 405)
    own = httpx.request(method, server.url_of("bfl") + path, content=content, headers=headers)
    assert own.status_code == status
    assert own.json().keys() == {"detail", "message"}


def test_an_image_that_is_not_there_is_called_what_it_was_asked_for_by(server: LiveServer) -> None:
    name = "flux_20260121_115610_abcd1234.jpg"
    told = trouble(server.client.get(f"/outputs/{name}"), 404)
    assert told["message"] == f"There is no image '{name}'."


def test_a_body_that_is_no_json(server: LiveServer) -> None:
    answer = server.client.post("/v1/colours", data={"prompt": "x"})
    assert "Content-Type: application/json" in trouble(answer, 415)["message"]


def test_a_page_of_another_origin(server: LiveServer) -> None:
    headers = {"Origin": "https://elsewhere.example"}
    answer = server.client.post("/v1/colours", json={"prompt": "x"}, headers=headers)
    assert "https://elsewhere.example" in trouble(answer, 403)["message"]


def test_other_apis_paths_are_left_to_them(server: LiveServer) -> None:
    for path in ("/v1/models", "/v1/images"):
        answer = server.client.post(path, json={"prompt": "x"})
        assert "There is no model" not in answer.text


def test_a_task_that_fails(server: LiveServer) -> None:
    accepted = submit(server.client, "/v1/colours", prompt="raise")
    told = {"error": "generation_failed", "message": "RuntimeError: asked to raise"}
    state = poll(server.client, accepted["polling_url"])
    assert state == {"id": accepted["id"], "status": "Error", **told}
    own = poll(server.client, f"/bfl/v1/get_result?id={accepted['id']}")
    assert (own["status"], own["result"]) == ("Error", None)
    assert own["details"].items() >= told.items()


def test_a_full_queue(server: LiveServer) -> None:
    server.client.post("/api/queue/pause")
    accepted = [submit(server.client, "/v1/colours") for _ in range(3)]
    answer = server.client.post("/v1/colours", json={"prompt": "one too many"})
    assert "max_queued" in trouble(answer, 503)["message"]
    assert int(answer.headers["retry-after"]) > 0
    server.client.post("/api/queue/resume")
    for each in accepted:
        assert poll(server.client, each["polling_url"])["status"] == "Ready"


@pytest.mark.parametrize("path", ["/v1/colours", "/bfl/v1/colours", "/history"])
@pytest.mark.parametrize("headers", [{}, {"x-key": "wrong"}, {"Authorization": ""}])
def test_without_a_valid_key(
    locked: LiveServer, key: str, path: str, headers: dict[str, str]
) -> None:
    method = "GET" if path == "/history" else "POST"
    # The body is not looked at before the key is.
    answer = locked.client.request(method, path, content=b"{", headers=headers)
    found = trouble(answer, 403)
    assert found["detail"] == found["message"]


@pytest.mark.parametrize("form", KEY_FORMS)
def test_every_form_of_a_key(locked: LiveServer, key: str, form: str) -> None:
    basic = base64.b64encode(f"x:{key}".encode()).decode()
    authorization = {"bearer": f"Bearer {key}", "basic": f"Basic {basic}"}.get(form)
    headers = {"Authorization": authorization} if authorization else {form: key}
    if form == "?key=":
        assert locked.client.get("/history", params={"key": key}).status_code == 200
        return
    with with_key(locked, headers) as client:
        accepted = submit(client, "/v1/colours")
    assert accepted["polling_url"].startswith("https://pictures.example/v1/get_result?id=")


def test_polling_and_images_need_no_key(locked: LiveServer, key: str) -> None:
    with with_key(locked, {"x-key": key}) as client:
        task = submit(client, "/v1/colours")["id"]
    state = poll(locked.client, f"/v1/get_result?id={task}")
    assert state["result"]["sample"] == f"https://pictures.example/outputs/flux_{task}.png"
    assert locked.client.get(f"/outputs/flux_{task}.png").status_code == 200


def test_a_key_that_is_not_for_this(locked: LiveServer) -> None:
    reader = locked.service.keys.add("reader", scopes=[Scope.READ])
    headers = {"x-key": reader}
    answer = locked.client.post("/v1/colours", json={"prompt": "x"}, headers=headers)
    assert "generate" in trouble(answer, 403)["message"]
    assert locked.client.get("/history", headers=headers).status_code == 200


def test_limits_of_a_key(locked: LiveServer) -> None:
    limited = locked.service.keys.add("limited", tier=Tier.PRO)
    with with_key(locked, {"x-key": limited}) as client:
        trouble(client.post("/v1/colours", json={}), 422)
        submit(client, "/v1/colours")
        answer = client.post("/bfl/v1/colours", json={"prompt": "x"})
    trouble(answer, 429)
    assert 0 < int(answer.headers["retry-after"]) <= 3600
