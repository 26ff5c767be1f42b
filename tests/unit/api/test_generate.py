"""Submitting jobs."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.serving import LiveServer, conform, live_server, problem


def test_accepts_a_job(paused: LiveServer) -> None:
    answer = paused.client.post("/api/generate", json={"prompt": "red", "clip_skip": 2})
    body = answer.json()
    assert answer.status_code == 202
    job_id = body["job_id"]
    assert body == {
        "job_id": job_id,
        "status": "queued",
        "queue_position": 1,
        "sse_url": f"/api/sse/{job_id}",
        "job_url": f"/api/jobs/{job_id}",
        "warnings": ["`clip_skip` is not used by colours and was ignored."],
    }
    conform(paused, "Accepted", body)
    paused.client.delete(body["job_url"])


def test_makes_the_image(server: LiveServer, made: dict[str, Any]) -> None:
    assert made["status"] == "completed"
    assert [image["index"] for image in made["images"]] == [0, 1]
    assert [image["seed"] for image in made["images"]] == [7, 8]
    content = server.client.get(made["images"][0]["url"]).content
    picture = Image.open(io.BytesIO(content))
    assert (picture.format, picture.size) == ("PNG", (96, 64))
    assert picture.getpixel((0, 0)) == (200, 30, 30)


def test_dry_run_tells_what_would_run_and_runs_nothing(server: LiveServer) -> None:
    before = server.client.get("/api/jobs?limit=1").json()
    body = {"prompt": "red", "num_inference_steps": 3}
    answer = server.client.post("/api/generate?dry_run=true", json=body)
    plan = answer.json()
    assert answer.status_code == 200
    conform(server, "Plan", plan)
    assert (plan["model"], plan["params"]["steps"], plan["params"]["seed"]) == (
        "colours", 3, None,
    )  # fmt: skip
    assert server.client.get("/api/jobs?limit=1").json() == before


def test_a_retry_with_the_same_key_is_the_first_job(server: LiveServer) -> None:
    headers = {"Idempotency-Key": "once"}
    first, again = (
        server.client.post("/api/generate", json={"prompt": "red"}, headers=headers)
        for _ in range(2)
    )
    assert first.status_code == again.status_code == 202
    assert first.json()["job_id"] == again.json()["job_id"]
    other = server.client.post("/api/generate", json={"prompt": "blue"}, headers=headers)
    problem(other, 422, "idempotency_conflict")


def test_an_empty_key_is_none(server: LiveServer) -> None:
    headers = {"Idempotency-Key": ""}
    ids = {
        server.client.post("/api/generate", json={"prompt": "red"}, headers=headers).json()[
            "job_id"
        ]
        for _ in range(2)
    }
    assert len(ids) == 2


def test_refuses_parameters_with_one_entry_per_problem(server: LiveServer) -> None:
    body = {"prompt": "", "width": 65, "promt": "x", "loras": [{"id": "a"}]}
    found = problem(server.client.post("/api/generate", json=body), 422, "invalid_parameters")
    assert {tuple(error["loc"]) for error in found["errors"]} == {
        ("prompt",), ("width",), ("promt",), ("loras",),
    }  # fmt: skip
    assert all(error.keys() == {"loc", "msg", "type"} for error in found["errors"])
    assert "`prompt`" in next(e["msg"] for e in found["errors"] if e["loc"] == ["promt"])
    conform(server, "Problem", found)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"null", b"[]", b'"red"', b"\xff\xfe", b'{"prompt": "\xff"}',
        b'{"prompt": NaN}', b'{"seed": Infinity, "prompt": "a"}', b'{"prompt": "\\ud800"}',
        b'{"\\ud800": 1, "prompt": "a"}', b"[" * 100_000, b'{"a":' * 40 + b"1" + b"}" * 40,
        b'{"prompt": "a", "seed": ' + b"9" * 5000 + b"}", "{}".encode("utf-16"),
    ],
)  # fmt: skip
def test_refuses_what_is_not_a_json_object(server: LiveServer, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = server.client.post("/api/generate", content=body, headers=headers)
    assert problem(answer, 400, "malformed_request")["detail"].startswith("The body ")


@pytest.mark.parametrize("body", [b'{"prompt":"a","prompt":"b"}', b'\xef\xbb\xbf{"prompt":"b"}'])
def test_accepts_repeated_names_and_a_byte_order_mark(server: LiveServer, body: bytes) -> None:
    answer = server.client.post("/api/generate?dry_run=1", content=body)
    assert answer.json()["params"]["prompt"] == "b"


@pytest.mark.parametrize("seed", ["1e999", "-1", "1.5", "9007199254740992", "[1]"])
def test_refuses_impossible_numbers(server: LiveServer, seed: str) -> None:
    body = f'{{"prompt": "a", "seed": {seed}}}'
    answer = server.client.post("/api/generate?dry_run=true", content=body)
    found = problem(answer, 422, "invalid_parameters")
    assert [error["loc"] for error in found["errors"]] == [["seed"]]


def test_refuses_other_media_types(server: LiveServer) -> None:
    answer = server.client.post("/api/generate", data={"prompt": "red"})
    told = problem(answer, 415, "unsupported_media_type")["detail"]
    assert "application/x-www-form-urlencoded" in told and "application/json" in told


def test_refuses_a_dry_run_that_is_neither(server: LiveServer) -> None:
    answer = server.client.post("/api/generate?dry_run=perhaps", json={"prompt": "red"})
    assert problem(answer, 422, "invalid_parameters")["errors"][0]["loc"] == [
        "query", "dry_run",
    ]  # fmt: skip


def job_ids(server: LiveServer) -> list[str]:
    """Of all jobs; those of other tests may still run."""
    return [job["job_id"] for job in server.client.get("/api/jobs").json()["jobs"]]


def test_refuses_large_bodies(server: LiveServer) -> None:
    before = job_ids(server)
    body = b'{"prompt": "' + b"a" * server.service.settings.max_body_bytes + b'"}'
    answer = server.client.post("/api/generate", content=body)
    assert problem(answer, 413, "body_too_large")["code"] == "body_too_large"
    assert job_ids(server) == before, "none was made of it"


def test_refuses_large_bodies_in_chunks(server: LiveServer) -> None:
    before = job_ids(server)
    limit = server.service.settings.max_body_bytes
    chunks = (b"a" * 2**20 for _ in range(limit // 2**20 + 4))
    answer = server.client.post("/api/generate", content=chunks)
    assert problem(answer, 413, "body_too_large")["code"] == "body_too_large"
    assert job_ids(server) == before, "none was made of it"


def test_a_full_queue_says_when_to_come_back(server: LiveServer, tmp_path: Path) -> None:
    with live_server(tmp_path, max_queued=1, on_start="pause") as full:
        full.submit()
        answer = full.client.post("/api/generate", json={"prompt": "red"})
        problem(answer, 503, "queue_full")
        assert int(answer.headers["retry-after"]) > 0


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode()))
def test_no_bytes_are_the_servers_fault(server: LiveServer, body: bytes) -> None:
    answer = server.client.post("/api/generate?dry_run=true", content=body)
    assert answer.status_code in (200, 400, 422)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    body=st.dictionaries(
        st.sampled_from(["prompt", "model", "seed", "width", "loras", "other", ""]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=20)
            | st.floats(allow_nan=False, allow_infinity=False),
            lambda inner: st.lists(inner, max_size=3)
            | st.dictionaries(st.text(max_size=5), inner, max_size=3),
            max_leaves=5,
        ),
    )
)  # fmt: skip
def test_no_object_is_the_servers_fault(server: LiveServer, body: dict[str, Any]) -> None:
    answer = server.client.post("/api/generate?dry_run=true", json=body)
    assert answer.status_code in (200, 422)
