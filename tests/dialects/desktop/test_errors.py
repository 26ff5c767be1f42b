"""Every error code of the document by a real condition, and what else can be refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from server.callers import Scope
from server.dialects.desktop.protocol import PIXEL
from tests.dialects.desktop import document
from tests.dialects.desktop.document import part
from tests.serving import LiveServer, live_server, until

GENERATE = "/api/generate/text-to-image"
TRANSFORM = "/api/generate/image-to-image"
UPSCALE = "/api/generate/upscale"
SETTINGS = "/api/settings"


@pytest.fixture(scope="module")
def paused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that runs nothing, and waits for little."""
    data = tmp_path_factory.mktemp("paused") / "data"
    few = {"generation_timeout": 0.2, "max_queued": 1, "cancel_on_disconnect": True}
    with live_server(data, on_start="pause", **few) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that asks for keys, and takes one job an hour."""
    data = tmp_path_factory.mktemp("guarded") / "data"
    limit = {"desktop": {"rate_limit": {"authenticated": "1/hour"}}}
    with live_server(data, dialects=limit) as running:
        running.service.keys.add("first")
        yield running


def failure(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The body of an answer, once it is known to be this error in this API's shape."""
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    assert body.keys() <= {"success", "error", "code", "details"}
    assert (body["success"], body["code"]) == (False, code)
    assert isinstance(body["error"], str) and body["error"]
    return body


# --- prompts and parameters ----------------------------------------------------------------------


@pytest.mark.parametrize("body", [{}, {"prompt": ""}, {"prompt": " \n"}, {"prompt": None}])
def test_an_empty_prompt(server: LiveServer, body: dict[str, Any]) -> None:
    told = failure(server.client.post(GENERATE, json=body), 400, "INVALID_PROMPT")
    assert part(told, document.NO_PROMPT) == document.NO_PROMPT
    assert told["details"] == {"errors": [{"field": "prompt", "message": "Prompt is required"}]}


@pytest.mark.parametrize(("prompt", "text"), [("x" * 10_001, "too long"), (7, "must be a text")])
def test_an_unusable_prompt(server: LiveServer, prompt: object, text: str) -> None:
    told = failure(server.client.post(GENERATE, json={"prompt": prompt}), 400, "INVALID_PROMPT")
    assert text in told["error"]


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        (GENERATE, "width", 3),
        (GENERATE, "height", 100_000),
        (GENERATE, "steps", 0),
        (GENERATE, "steps", "25"),
        (GENERATE, "steps", 2.5),
        (GENERATE, "cfgScale", 31),
        (GENERATE, "cfgScale", True),
        (GENERATE, "seed", 2**53),
        (GENERATE, "negativePrompt", 1),
        (TRANSFORM, "strength", 1.1),
        (TRANSFORM, "seedImage", ""),
        (TRANSFORM, "seedImage", "data:image/png;base64,%%%"),
        (TRANSFORM, "seedImage", "data:image/png;base64,aGVsbG8="),
        (TRANSFORM, "seedImage", "/etc/passwd"),
        (UPSCALE, "scale", 1),
        (UPSCALE, "scale", 9),
        (UPSCALE, "imagePath", "../../secret.png"),
        (SETTINGS, "defaultWidth", 0),
        (SETTINGS, "defaultSteps", None),
        (SETTINGS, "theme", "dark"),
    ],
)
def test_invalid_parameters(server: LiveServer, path: str, field: str, value: object) -> None:
    sound: dict[str, dict[str, Any]] = {
        GENERATE: {"prompt": "hills"},
        TRANSFORM: {"prompt": "hills", "seedImage": PIXEL},
        UPSCALE: {"imagePath": PIXEL},
        SETTINGS: {"defaultHeight": 640},
    }
    before = server.client.get(SETTINGS).json()
    method = "PUT" if path == SETTINGS else "POST"
    answer = server.client.request(method, path, json={**sound[path], field: value})
    told = failure(answer, 400, "INVALID_PARAMETERS")
    assert [item["field"] for item in told["details"]["errors"]] == [field]
    assert field in told["error"]
    assert server.client.get(SETTINGS).json() == before


def test_an_image_that_would_become_too_large(server: LiveServer) -> None:
    made = server.made("hills", width=2048, height=2048)["images"][0]
    body = {"imagePath": f"/generated/image_{made['id']}.png", "scale": 4}
    told = failure(server.client.post(UPSCALE, json=body), 400, "INVALID_PARAMETERS")
    assert "imagePath" in told["error"] and "max_image_pixels" in told["error"]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=x", "offset=-1", "type=audio", f"limit={9**40}"]
)
def test_invalid_queries(server: LiveServer, query: str) -> None:
    told = failure(server.client.get(f"/api/history?{query}"), 400, "INVALID_PARAMETERS")
    assert [item["field"] for item in told["details"]["errors"]] == [query.partition("=")[0]]


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"null", b'"prompt"', b"\xff", b"[" * 50_000])
def test_bodies_that_are_no_object(server: LiveServer, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    before = len(server.client.get("/api/jobs").json()["jobs"])
    answer = server.client.post(GENERATE, content=body, headers=headers)
    assert failure(answer, 400, "INVALID_PARAMETERS")["success"] is False
    assert len(server.client.get("/api/jobs").json()["jobs"]) == before


def test_more_is_given_than_is_known(server: LiveServer) -> None:
    body = {"prompt": "hills", "width": 64, "height": 64, "steps": 1, "provider": "x", "seed": None}
    assert server.client.post(GENERATE, json=body).status_code == 200


# --- what is not there ---------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["0", "-1", "x", "1.0", "٣", "%00", "9" * 30, "image_1.png"])
def test_ids_that_nothing_has(server: LiveServer, number: str) -> None:
    for answer in (
        server.client.get(f"/api/history/{number}"),
        server.client.delete(f"/api/history/{number}"),
        server.client.get(f"/generated/image_{number}.png"),
    ):
        told = failure(answer, 404, "NOT_FOUND")
        assert part(told, document.NOT_FOUND) == document.NOT_FOUND


@pytest.mark.parametrize(("path", "word"), [(TRANSFORM, "seedImage"), (UPSCALE, "imagePath")])
def test_an_image_of_ours_that_is_not_there(server: LiveServer, path: str, word: str) -> None:
    answer = server.client.post(path, json={word: "/generated/image_999999.png", "prompt": "x"})
    told = failure(answer, 404, "NOT_FOUND")
    assert part(told, document.NOT_FOUND) == document.NOT_FOUND


@pytest.mark.parametrize(
    "path",
    ["/api/history/1/2", "/api/settings/x", f"{GENERATE}/x", "/generated", "/ws/generation/x"],
)
def test_unknown_paths_of_ours(server: LiveServer, path: str) -> None:
    for base in (str(server.client.base_url).rstrip("/"), server.url_of("desktop")):
        assert path in failure(httpx.get(f"{base}{path}"), 404, "NOT_FOUND")["error"]


def test_on_the_own_port_every_path_is_ours(server: LiveServer) -> None:
    failure(httpx.get(f"{server.url_of('desktop')}/api/jobs"), 404, "NOT_FOUND")
    assert "code" in server.client.get("/api/historyx").json(), "the main port's own shape"
    assert "success" not in server.client.get("/api/historyx").json()


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", GENERATE, "POST"),
        ("POST", "/api/history", "GET"),
        ("PUT", "/api/history/1", "GET, DELETE"),
        ("DELETE", SETTINGS, "GET, PUT"),
    ],
)
def test_wrong_methods(server: LiveServer, method: str, path: str, allowed: str) -> None:
    for base in (str(server.client.base_url), server.url_of("desktop")):
        answer = httpx.request(method, f"{base.rstrip('/')}{path}")
        failure(answer, 405, "METHOD_NOT_ALLOWED")
        assert answer.headers["allow"] == allowed


def test_a_body_that_is_too_large(server: LiveServer) -> None:
    answer = server.client.post(GENERATE, json={"prompt": "x", "pad": "x" * 1_100_000})
    assert "bytes" in failure(answer, 413, "PAYLOAD_TOO_LARGE")["error"]


def test_a_foreign_host(server: LiveServer) -> None:
    headers = {"host": "evil.example.org"}
    told = failure(server.client.get(SETTINGS, headers=headers), 403, "FORBIDDEN")
    assert "evil.example.org" in told["error"]


# --- jobs that end otherwise ---------------------------------------------------------------------


def test_a_job_that_fails(server: LiveServer) -> None:
    told = failure(server.client.post(GENERATE, json={"prompt": "raise"}), 500, "API_ERROR")
    assert told["error"].startswith("Generation failed: ") and "asked to raise" in told["error"]
    assert told["details"]["reason"] == "generation_failed"


def test_a_job_that_somebody_cancels(server: LiveServer) -> None:
    server.client.post("/api/queue/pause")
    try:
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(server.client.post, GENERATE, json={"prompt": "hills"})
            until(lambda: server.client.get("/api/queue").json()["pending"] == 1)
            (job,) = server.client.get("/api/jobs?status=queued").json()["jobs"]
            assert server.client.post(f"/api/jobs/{job['job_id']}/cancel").status_code == 200
            told = failure(asked.result(), 500, "API_ERROR")
        assert "cancelled" in told["error"]
    finally:
        server.client.post("/api/queue/resume")


def test_a_job_that_takes_too_long(paused: LiveServer) -> None:
    told = failure(paused.client.post(GENERATE, json={"prompt": "hills"}), 500, "API_TIMEOUT")
    assert part(told, document.TIMEOUT) == document.TIMEOUT
    assert "generation_timeout" in told["details"]["message"]
    assert paused.client.get("/api/queue").json()["pending"] == 0, "it had not begun: dropped"


def test_a_full_queue(paused: LiveServer) -> None:
    waiting = paused.submit("hills")
    try:
        answer = paused.client.post(GENERATE, json={"prompt": "hills"})
        told = failure(answer, 503, "API_ERROR")
        assert told["details"]["reason"] == "queue_full"
        assert int(answer.headers["retry-after"]) > 0
    finally:
        paused.client.post(f"/api/jobs/{waiting}/cancel")


# --- keys and limits -----------------------------------------------------------------------------


def test_every_form_of_a_key(guarded: LiveServer) -> None:
    told = failure(guarded.client.get("/api/history"), 401, "UNAUTHORIZED")
    assert told["details"]["reason"] == "key_missing"
    wrong = guarded.client.get("/api/history", headers={"x-key": "dk_wrong"})
    failure(wrong, 401, "UNAUTHORIZED")
    key = guarded.service.keys.add("every form")
    basic = base64.b64encode(f"me:{key}".encode()).decode()
    for headers in (
        {"x-key": key},
        {"X-API-Key": key},
        {"Authorization": f"Bearer {key}"},
        {"Authorization": f"Basic {basic}"},
    ):
        assert guarded.client.get("/api/history", headers=headers).status_code == 200
    assert guarded.client.get(f"/api/history?key={key}").status_code == 200
    progress = f"ws://127.0.0.1:{guarded.port}/ws/generation"
    with connect(f"{progress}?key={key}") as socket:
        socket.ping().wait()
    with pytest.raises(InvalidStatus) as refused, connect(progress):
        pass
    assert refused.value.response.status_code == 401
    assert json.loads(refused.value.response.body or b"")["code"] == "UNAUTHORIZED"


def test_a_key_that_only_reads(guarded: LiveServer) -> None:
    key = {"x-key": guarded.service.keys.add("reader", scopes=[Scope.READ])}
    for method, path in (("POST", GENERATE), ("PUT", SETTINGS), ("DELETE", "/api/history/1")):
        answer = guarded.client.request(method, path, headers=key, json={"prompt": "x"})
        failure(answer, 403, "FORBIDDEN")
    assert guarded.client.get(SETTINGS, headers=key).status_code == 200


def test_a_rate_limit(guarded: LiveServer) -> None:
    key = {"x-key": guarded.service.keys.add("busy")}
    body = {"prompt": "hills", "width": 64, "height": 64, "steps": 1}
    assert guarded.client.post(GENERATE, headers=key, json=body).status_code == 200
    answer = guarded.client.post(GENERATE, headers=key, json=body)
    failure(answer, 429, "RATE_LIMITED")
    assert int(answer.headers["retry-after"]) > 0


def test_without_a_key_an_image_is_seen_by_its_name_and_not_by_its_number(
    guarded: LiveServer,
) -> None:
    key = {"x-key": guarded.service.keys.add("painter")}
    body = {"prompt": "hills", "width": 64, "height": 64, "steps": 1}
    made = guarded.client.post(GENERATE, headers=key, json=body).json()["data"]
    for way in ("GET", "HEAD"):
        assert guarded.client.request(way, made["filePath"]).status_code == 401
    shown = guarded.client.get(made["filePath"], headers=key)
    assert shown.content.startswith(b"\x89PNG")
    assert guarded.client.get(made["url"]).content == shown.content


def test_the_example_images_are_images(server: LiveServer) -> None:
    body = {"seedImage": PIXEL, "prompt": "hills", "steps": 1}
    assert server.client.post(TRANSFORM, json=body).status_code == 200
    enlarged = server.client.post(UPSCALE, json={"imagePath": PIXEL, "scale": 3}).json()["data"]
    assert enlarged["parameters"].items() >= {"width": 3, "height": 3}.items()
    assert enlarged["prompt"] == ""


def test_every_route_is_described_with_its_errors(server: LiveServer) -> None:
    found = server.client.get("/openapi/desktop.json").json()
    failure_shape = {"$ref": "#/components/schemas/Failure"}
    for path, ways in found["paths"].items():
        for operation in ways.values():
            assert operation["responses"].keys() >= {"200", "401", "403", "500", "503"}, path
            assert operation["description"], path
            for status, answer in operation["responses"].items():
                if status != "200":
                    assert answer["content"]["application/json"]["schema"] == failure_shape
    for shape in ("GenerationAnswer", "HistoryPage", "SettingsUpdated", "Failure", "TextToImage"):
        assert found["components"]["schemas"][shape]["examples"], shape


def test_what_the_document_says_of_every_error_is_in_the_openapi(server: LiveServer) -> None:
    found = server.client.get("/openapi/desktop.json").json()
    codes = found["components"]["schemas"]["Code"]["enum"]
    assert codes[:7] == [
        *("INVALID_PROMPT", "INVALID_PARAMETERS", "API_TIMEOUT", "API_ERROR"),
        *("STORAGE_ERROR", "DATABASE_ERROR", "NOT_FOUND"),
    ]
    assert "HTTPValidationError" not in json.dumps(found)
    assert all(
        "422" not in way["responses"] for path in found["paths"].values() for way in path.values()
    )
