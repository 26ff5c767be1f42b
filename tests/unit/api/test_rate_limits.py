"""Rate limits of requests that name themselves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from server.callers import Tier
from tests.serving import LiveServer, live_server, problem


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that takes one job an hour through each of two APIs."""
    limit = {Tier.ANONYMOUS: "1/hour"}
    limits = {"rate_limit": limit, "dialects": {"openai": {"rate_limit": limit}}}
    with live_server(tmp_path_factory.mktemp("data"), **limits) as running:
        yield running


def test_a_retry_is_the_first_job_although_the_limit_is_reached(server: LiveServer) -> None:
    key = {"Idempotency-Key": "once"}
    body = {"prompt": "red"}
    refused = server.client.post("/api/generate", json={"prompt": 1}, headers=key)
    problem(refused, 422, "invalid_parameters")
    first, again = (server.client.post("/api/generate", json=body, headers=key) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["job_id"] == again.json()["job_id"]
    problem(server.client.post("/api/generate", json=body), 429, "rate_limited")


def test_so_it_is_for_other_apis(server: LiveServer) -> None:
    key = {"Idempotency-Key": "twice"}
    body = {"prompt": "red", "size": "96x64"}
    first, again = (
        server.client.post("/v1/images/generations", json=body, headers=key) for _ in range(2)
    )
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json()["data"] == again.json()["data"]
    other = server.client.post("/v1/images/generations", json=body)
    assert (other.status_code, other.json()["error"]["code"]) == (429, "rate_limit_exceeded")
