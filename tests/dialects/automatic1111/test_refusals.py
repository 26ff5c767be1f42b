"""Errors are in AUTOMATIC1111's shape, each from a real condition."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.callers import Scope
from tests.dialects.automatic1111.pictures import encoded, plain
from tests.serving import LiveServer, live_server

TXT2IMG, IMG2IMG = "/sdapi/v1/txt2img", "/sdapi/v1/img2img"
SMALL = {"prompt": "red", "width": 64, "height": 64}


def refused(answer: httpx.Response, status: int, error: str) -> Any:
    """The `detail` of an answer that is this error."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body.keys() == {"error", "detail", "body", "errors"}
    assert (body["error"], body["body"]) == (error, "")
    assert body["errors"]
    return body["detail"]


@pytest.mark.parametrize(
    ("words", "place", "message"),
    [
        ({"seed": "seven"}, ["seed"], "valid integer"),
        ({"steps": 0}, ["steps"], "greater than or equal to 1"),
        ({"width": 16_385}, ["width"], "less than or equal to 16384"),
        ({"cfg_scale": "NaN"}, ["cfg_scale"], "finite number"),
        ({"prompt": 7}, ["prompt"], "valid string"),
        ({"batch_size": 6, "n_iter": 2}, ["batch_size"], "is 12; Colours makes 10 at once"),
        ({"prompt": "x" * 10_001}, ["prompt"], "at most 10000"),
        ({"prompt": "red <lora:nobody:1>"}, ["prompt"], "take nobody out of the prompt"),
        ({"script_name": "Loopback"}, ["alwayson_scripts"], "Script 'Loopback' not found"),
        (
            {"override_settings": {"sd_model_checkpoint": 7}},
            ["override_settings", "sd_model_checkpoint"],
            "valid string",
        ),
    ],
)
def test_what_is_wrong_with_a_request_is_told_with_its_place(
    api: httpx.Client, words: dict[str, Any], place: list[str], message: str
) -> None:
    detail = refused(api.post(TXT2IMG, json={**SMALL, **words}), 422, "invalid_parameters")
    [problem] = detail
    assert problem["loc"] == ["body", *place]
    assert message in problem["msg"]


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ({}, "init_images"),
        ({"init_images": []}, "init_images"),
        ({"init_images": ["AAAA"]}, "init_images"),
        ({"init_images": ["https://example.org/picture.png"]}, "init_images"),
        ({"init_images": [encoded(plain((8, 8)))], "mask": encoded(plain((8, 8)))}, "mask"),
        ({"init_images": [encoded(plain((8, 8)))], "denoising_strength": 2}, "denoising_strength"),
    ],
)
def test_what_is_wrong_with_a_given_image_is_told(
    server: LiveServer, words: dict[str, Any], place: str
) -> None:
    answer = server.client.post(IMG2IMG, json={**SMALL, **words})
    detail = refused(answer, 422, "invalid_parameters")
    assert [problem["loc"] for problem in detail] == [["body", place]]


def test_a_lora_that_there_is_not_is_named(server: LiveServer) -> None:
    override = {"sd_model_checkpoint": "postcard"}
    body = {**SMALL, "prompt": "red <lora:nobody:0.5>", "override_settings": override}
    [problem] = refused(server.client.post(TXT2IMG, json=body), 422, "invalid_parameters")
    assert problem["loc"] == ["body", "prompt"]
    assert "nobody" in problem["msg"] and "Ink wash" in problem["msg"]


def test_a_sampler_or_a_model_that_there_is_not(server: LiveServer) -> None:
    answer = server.client.post(TXT2IMG, json={**SMALL, "sampler_name": "Eulerian"})
    assert "Sampler not found: 'Eulerian'" in refused(answer, 400, "bad_request")
    override = {"sd_model_checkpoint": "nothing.safetensors [0123456789]"}
    answer = server.client.post(TXT2IMG, json={**SMALL, "override_settings": override})
    assert "nothing.safetensors" in refused(answer, 404, "model_not_found")


def test_a_failed_job_says_why(server: LiveServer) -> None:
    answer = server.client.post(TXT2IMG, json={**SMALL, "prompt": "raise"})
    assert "asked to raise" in refused(answer, 500, "generation_failed")
    answer = server.client.post(TXT2IMG, json={**SMALL, "prompt": "out of memory"})
    refused(answer, 500, "out_of_memory")


def test_what_is_no_json_is_told(api: httpx.Client) -> None:
    json = {"Content-Type": "application/json"}
    for body in (b'{"prompt": ', b"\xff", b"[" * 100_000):
        answer = api.post(TXT2IMG, content=body, headers=json)
        assert refused(answer, 400, "malformed_request")
    for body in (b"[]", b"7"):
        answer = api.post(TXT2IMG, content=body, headers=json)
        assert refused(answer, 422, "invalid_parameters")


def test_paths_and_methods_that_there_are_not(api: httpx.Client) -> None:
    refused(api.get("/sdapi/v1/nothing"), 404, "not_found")
    refused(api.get("/sdapi"), 404, "not_found")
    wrong = api.get(TXT2IMG)
    refused(wrong, 405, "method_not_allowed")
    assert wrong.headers["allow"] == "POST"


def test_a_body_that_is_too_large(api: httpx.Client) -> None:
    answer = api.post(TXT2IMG, json={"prompt": "x" * 2**20})
    assert "bytes" in refused(answer, 413, "body_too_large")


def test_foreign_hosts_and_pages(api: httpx.Client) -> None:
    foreign = {"Host": "elsewhere.example"}
    host = refused(api.get("/sdapi/v1/options", headers=foreign), 403, "foreign_host")
    assert "elsewhere.example" in host
    page = {"Origin": "https://elsewhere.example"}
    origin = refused(api.post(TXT2IMG, json=SMALL, headers=page), 403, "foreign_origin")
    assert "elsewhere.example" in origin


def test_queries_are_checked(api: httpx.Client) -> None:
    answer = api.get("/sdapi/v1/progress", params={"skip_current_image": "perhaps"})
    [problem] = refused(answer, 422, "invalid_parameters")
    assert problem["loc"] == ["query", "skip_current_image"]


# --- keys and limits ---------------------------------------------------------------------------


def basic(password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"me:{password}".encode()).decode()}


def test_a_key_is_the_password_and_comes_in_other_forms_too(
    api: httpx.Client, key: Callable[..., str]
) -> None:
    text = key("friend")
    forms = [
        basic(text),
        {"Authorization": f"Bearer {text}"},
        {"x-key": text},
        {"X-API-Key": text},
        {"Authorization": "", "x-key": text},
    ]
    for headers in forms:
        assert api.get("/sdapi/v1/options", headers=headers).status_code == 200
        assert api.post(TXT2IMG, json=SMALL, headers=headers).status_code == 200
    assert api.get("/sdapi/v1/progress", params={"key": text}).status_code == 200


def test_without_a_right_key_nothing_is_done(api: httpx.Client, key: Callable[..., str]) -> None:
    key("friend")
    for headers, error in [
        ({}, "key_missing"),
        ({"Authorization": "Basic"}, "key_missing"),
        (basic("wrong"), "key_refused"),
        ({"x-key": "wrong"}, "key_refused"),
    ]:
        answer = api.post(TXT2IMG, content=b"no json", headers=headers)
        refused(answer, 401, error)
        assert answer.headers["www-authenticate"].startswith("Basic ")
    refused(api.get("/sdapi/v1/sd-models"), 401, "key_missing")


def test_a_key_is_good_for_what_it_was_made_for(api: httpx.Client, key: Callable[..., str]) -> None:
    reading = basic(key("reader", scopes=[Scope.READ]))
    assert api.get("/sdapi/v1/options", headers=reading).status_code == 200
    refused(api.post(TXT2IMG, json=SMALL, headers=reading), 403, "scope_missing")
    making = basic(key("maker", scopes=[Scope.READ, Scope.GENERATE]))
    assert api.post(TXT2IMG, json=SMALL, headers=making).status_code == 200
    change = {"sd_model_checkpoint": "colours-four-step"}
    refused(api.post("/sdapi/v1/options", json=change, headers=making), 403, "scope_missing")


def test_limits_and_the_end_of_patience(tmp_path: Path) -> None:
    limited = {"automatic1111": {"rate_limit": "1/hour"}}
    with live_server(
        tmp_path / "data", dialects=limited, on_start="pause", max_queued=1, generation_timeout=0.2
    ) as running:
        waiting = running.submit()
        full = running.client.post(TXT2IMG, json=SMALL)
        refused(full, 503, "queue_full")
        assert int(full.headers["retry-after"]) > 0
        running.client.post(f"/api/jobs/{waiting}/cancel")
        late = running.client.post(TXT2IMG, json=SMALL)
        assert "`generation_timeout`" in refused(late, 504, "generation_timeout")
        limited_answer = running.client.post(TXT2IMG, json=SMALL)
        refused(limited_answer, 429, "rate_limited")
        assert int(limited_answer.headers["retry-after"]) > 3000
        assert running.client.get("/sdapi/v1/options").status_code == 200, "is no work"
