"""What goes wrong is told in this API's shape: conditions, keys, limits."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest

from server.callers import Scope, Tier
from tests.dialects.openai import document
from tests.dialects.openai.asking import EDITS, GENERATIONS, coloured, made, refused, sdk
from tests.serving import LiveServer, live_server, until

ASKED = {"prompt": "a red boat"}


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that takes little, waits for a moment, and asks for no key."""
    with live_server(
        tmp_path_factory.mktemp("narrow"),
        max_queued=1,
        max_body_bytes=50_000,
        max_streams=1,
        generation_timeout=0.5,
        listen=[{"dialect": "openai", "port": 0}],
        dialects={"openai": {"response_format": "url", "rate_limit": {"pro": "1/hour"}}},
    ) as running:
        yield running


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with keys and a limit."""
    with live_server(
        tmp_path_factory.mktemp("locked"),
        dialects={"openai": {"rate_limit": {"pro": "1/hour"}}},
    ) as running:
        running.service.keys.add("somebody")
        yield running


@pytest.fixture
def paused(narrow: LiveServer) -> Iterator[LiveServer]:
    narrow.client.post("/api/queue/pause")
    yield narrow
    narrow.client.post("/api/queue/resume")


def with_key(server: LiveServer, **headers: str) -> httpx.Client:
    """A client that sends a key; a context that closes it."""
    return httpx.Client(base_url=server.client.base_url, headers=headers, timeout=30)


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": 7}, "prompt"),
        ({"prompt": "x" * 10_001}, "prompt"),
        ({"n": 0}, "n"),
        ({"n": 11}, "n"),
        ({"n": "1"}, "n"),
        ({"n": True}, "n"),
        ({"size": "large"}, "size"),
        ({"size": "0x64"}, "size"),
        ({"size": "64 x 64"}, "size"),
        ({"quality": "ultra"}, "quality"),
        ({"style": "baroque"}, "style"),
        ({"background": "blue"}, "background"),
        ({"moderation": "high"}, "moderation"),
        ({"response_format": "png"}, "response_format"),
        ({"output_format": "gif"}, "output_format"),
        ({"output_compression": 101}, "output_compression"),
        ({"stream": "true"}, "stream"),
        ({"stream": True, "partial_images": 4}, "partial_images"),
        ({"seed": 1.5}, "seed"),
        ({"steps": 0}, "steps"),
        ({"loras": [{"id": "none"}]}, "loras.0.id"),
        ({"loras": ["none"]}, "loras.0"),
        ({"model": 5}, "model"),
    ],
)
def test_what_is_wrong_with_a_parameter(
    server: LiveServer, wrong: dict[str, Any], param: str
) -> None:
    answer = server.client.post(GENERATIONS, json={**ASKED, **wrong})
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    # A model without LoRAs refuses them as a whole.
    assert error["param"] in (param, param.partition(".")[0])
    assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_value")
    assert error["message"].startswith(error["param"])


def test_null_says_as_much_as_nothing(server: LiveServer) -> None:
    words = ("model", "n", "size", "quality", "style", "background", "moderation", "user")
    more = ("response_format", "output_format", "output_compression", "stream", "partial_images")
    found = made(server.client, **dict.fromkeys((*words, *more)))
    assert [item.keys() for item in found["data"]] == [{"b64_json"}]


def test_a_missing_prompt(client: httpx.Client) -> None:
    answer = client.post(GENERATIONS, json={})
    assert "prompt" in refused(answer, 400, "missing_required_parameter", "prompt")


def test_an_unknown_model(client: httpx.Client) -> None:
    answer = client.post(GENERATIONS, json={**ASKED, "model": "gpt-image-9"})
    assert "gpt-image-9" in refused(answer, 404, "model_not_found", "model")
    refused(client.get("/v1/models/gpt-image-9"), 404, "model_not_found", "model")
    refused(client.get("/v1/models/a/%00/b"), 404, "model_not_found", "model")
    refused(client.get("/v1/models/"), 404, "model_not_found", "model")


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        (b"{", "application/json", "malformed_request"),
        (b"[1]", "application/json", "malformed_request"),
        (b'{"prompt": "\xff"}', "application/json", "malformed_request"),
        (b'{"prompt": "x", "n": NaN}', "application/json", "malformed_request"),
        (b"prompt=x", "application/x-www-form-urlencoded", "unsupported_media_type"),
    ],
)
@pytest.mark.parametrize("path", [GENERATIONS, EDITS])
def test_bodies_that_cannot_be_read(
    client: httpx.Client, path: str, body: bytes, content_type: str, code: str
) -> None:
    answer = client.post(path, content=body, headers={"Content-Type": content_type})
    assert refused(answer, 400, code)


def test_a_form_that_cannot_be_read(client: httpx.Client) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    refused(client.post(EDITS, content=b"--y", headers=headers), 400, "malformed_request")


def test_paths_and_methods_that_there_are_not(server: LiveServer, client: httpx.Client) -> None:
    for path in ("/v1/images", "/v1/images/variations", "/v1/images/files"):
        refused(client.post(path), 404, "not_found")
    answer = client.get(GENERATIONS)
    refused(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == "POST"
    elsewhere = server.client.get("/v1x/images")
    assert elsewhere.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "name", ["x.png", "20260121_115610_abcd1234_0.png", "20260121_115610_abcd1234_0.gif", "%2e%2e"]
)
def test_images_that_there_are_not(client: httpx.Client, name: str) -> None:
    refused(client.get(f"/v1/images/files/{name}"), 404, "image_not_found")


def test_a_range_beyond_the_end(server: LiveServer) -> None:
    url = made(server.client, response_format="url", output_format="jpeg")["data"][0]["url"]
    answer = server.client.get(url, headers={"Range": "bytes=999999-"})
    refused(answer, 416, "range_not_satisfiable")
    refused(server.client.get(f"{url}?compression=x"), 400, "invalid_value", "compression")


def test_a_failed_job_is_not_to_be_tried_again(client: httpx.Client) -> None:
    answer = client.post(GENERATIONS, json={"prompt": "raise", "model": "dall-e-3"})
    assert "asked to raise" in refused(answer, 500, "generation_failed")
    assert answer.json()["error"]["type"] == "server_error"
    assert answer.headers["x-should-retry"] == "false"
    answer = client.post(GENERATIONS, json={"prompt": "out of memory", "model": "dall-e-3"})
    refused(answer, 500, "out_of_memory")


def test_bodies_that_are_too_large(narrow: LiveServer) -> None:
    small = narrow.client.post(EDITS, data=ASKED, files={"image": coloured("red")})
    assert small.status_code == 200, small.text
    files = {"image": b"x" * 50_001}
    refused(narrow.client.post(EDITS, data=ASKED, files=files), 413, "body_too_large")
    body = {"prompt": "x", "user": "x" * 50_001}
    refused(narrow.client.post(GENERATIONS, json=body), 413, "body_too_large")


def test_a_full_queue(paused: LiveServer) -> None:
    queued = paused.submit("blue")
    answer = paused.client.post(GENERATIONS, json=ASKED)
    refused(answer, 503, "queue_full")
    assert int(answer.headers["Retry-After"]) > 0
    assert "x-should-retry" not in answer.headers, "the same request succeeds later"
    assert paused.client.post(f"/api/jobs/{queued}/cancel").status_code == 200


def test_a_job_that_takes_too_long(paused: LiveServer) -> None:
    answer = paused.client.post(GENERATIONS, json=ASKED)
    assert "generation_timeout" in refused(answer, 500, "generation_timeout")
    assert answer.headers["x-should-retry"] == "false"
    assert paused.client.get("/api/jobs").json()["jobs"][0]["status"] == "cancelled"


def test_a_stream_without_news_ends(paused: LiveServer) -> None:
    answer = paused.client.post(GENERATIONS, json={**ASKED, "stream": True})
    assert answer.status_code == 200
    assert '"code":"generation_timeout"' in answer.text
    until(lambda: paused.app.state.streams.open == 0)
    assert paused.client.get("/api/jobs").json()["jobs"][0]["status"] == "cancelled"


def test_a_stream_too_many_submits_nothing(narrow: LiveServer) -> None:
    before = narrow.client.get("/api/jobs").json()["jobs"]
    with narrow.client.stream("GET", "/api/sse/gallery"):
        answer = narrow.client.post(GENERATIONS, json={**ASKED, "stream": True})
        refused(answer, 503, "too_many_streams")
    until(lambda: narrow.app.state.streams.open == 0)
    assert narrow.client.get("/api/jobs").json()["jobs"] == before


def test_addresses_can_be_the_usual_answer(narrow: LiveServer) -> None:
    assert [item.keys() for item in made(narrow.client)["data"]] == [{"url"}]


def test_a_cancelled_job(server: LiveServer) -> None:
    body = {**ASKED, "model": "slow", "steps": 50}
    known = {job["job_id"] for job in server.client.get("/api/jobs").json()["jobs"]}

    def fresh() -> list[str]:
        found = [job["job_id"] for job in server.client.get("/api/jobs").json()["jobs"]]
        return [job_id for job_id in found if job_id not in known]

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(server.client.post, GENERATIONS, json=body)
        until(lambda: bool(fresh()))
        assert server.client.post(f"/api/jobs/{fresh()[0]}/cancel").status_code == 200
        answer = waiting.result()
    refused(answer, 409, "cancelled")
    assert answer.headers["x-should-retry"] == "false"


# --- keys and limits -----------------------------------------------------------------------


def test_without_a_key_nobody_gets_in(locked: LiveServer) -> None:
    for answer in (
        locked.client.post(GENERATIONS, json=ASKED),
        locked.client.post(EDITS, content=b"not read"),
        locked.client.get("/v1/models"),
        locked.client.get("/v1/models/colours"),
    ):
        refused(answer, 401, "invalid_api_key")
        assert answer.json()["error"].keys() == document.ERROR["error"].keys()
        assert answer.json()["error"]["type"] == document.ERROR["error"]["type"]
        assert "Bearer" in answer.headers["WWW-Authenticate"]
    wrong = locked.client.get("/v1/models", headers={"Authorization": "Bearer sk-1234"})
    refused(wrong, 401, "invalid_api_key")


def test_a_key_in_every_form(locked: LiveServer) -> None:
    key = locked.service.keys.add("forms")
    basic = base64.b64encode(f"user:{key}".encode()).decode()
    for headers in (
        {"Authorization": f"Bearer {key}"},
        {"Authorization": f"Basic {basic}"},
        {"x-key": key},
        {"X-API-Key": key},
    ):
        with with_key(locked, **headers) as client:
            [image] = made(client, response_format="url")["data"]
            assert client.get("/v1/models").status_code == 200
        name = httpx.URL(image["url"]).path
        assert locked.client.get(name).status_code == 200, "the name is the capability"
    assert locked.client.get("/v1/models", params={"key": key}).status_code == 200


def test_a_key_for_something_else(locked: LiveServer) -> None:
    key = locked.service.keys.add("reader", scopes={Scope.READ})
    with with_key(locked, Authorization=f"Bearer {key}") as client:
        assert client.get("/v1/models").status_code == 200
        refused(client.post(GENERATIONS, json=ASKED), 403, "insufficient_permissions")


def test_only_accepted_requests_count_towards_a_limit(locked: LiveServer) -> None:
    key = locked.service.keys.add("once", tier=Tier.PRO)
    with with_key(locked, Authorization=f"Bearer {key}") as client:
        assert client.post(GENERATIONS, json={}).status_code == 400
        made(client)
        answer = client.post(GENERATIONS, json=ASKED)
        refused(answer, 429, "rate_limit_exceeded")
        assert answer.json()["error"]["type"] == "requests"
        assert 0 < int(answer.headers["Retry-After"]) <= 3600
        refused(
            client.post(GENERATIONS, json={**ASKED, "stream": True}), 429, "rate_limit_exceeded"
        )


@pytest.mark.clients
def test_keys_and_limits_are_errors_of_the_sdk(locked: LiveServer) -> None:
    keys, url = locked.service.keys, str(locked.client.base_url).rstrip("/")
    with sdk(url) as client, pytest.raises(openai.AuthenticationError) as wrong:
        client.models.list()
    assert wrong.value.code == "invalid_api_key"
    reader = keys.add("sdk reader", scopes={Scope.READ})
    with sdk(url, reader) as client, pytest.raises(openai.PermissionDeniedError):
        client.images.generate(prompt="red")
    with sdk(url, keys.add("sdk pro", tier=Tier.PRO)) as client:
        assert client.images.generate(prompt="red").data
        with pytest.raises(openai.RateLimitError) as limited:
            client.images.generate(prompt="red")
    assert limited.value.code == "rate_limit_exceeded"


def test_a_page_of_another_origin(server: LiveServer) -> None:
    answer = server.client.post(
        GENERATIONS, json=ASKED, headers={"Origin": "https://elsewhere.example"}
    )
    refused(answer, 403, "foreign_origin")


# --- retries -------------------------------------------------------------------------------


def test_a_retry_with_the_same_key_gets_the_same_images(server: LiveServer) -> None:
    headers = {"Idempotency-Key": "retry"}
    first = server.client.post(GENERATIONS, json=ASKED, headers=headers).json()
    again = server.client.post(
        GENERATIONS, json={**ASKED, "output_format": "jpeg"}, headers=headers
    ).json()
    assert again["created"] == first["created"]
    assert len(again["data"]) == 1
    assert again["output_format"] == "jpeg", "answered as this one asks"
    other = server.client.post(GENERATIONS, json={"prompt": "a blue boat"}, headers=headers)
    refused(other, 400, "idempotency_conflict")
    long = server.client.post(GENERATIONS, json=ASKED, headers={"Idempotency-Key": "x" * 256})
    refused(long, 400, "invalid_value", "Idempotency-Key")
