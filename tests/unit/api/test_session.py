"""A server that asks for keys, and the session of a browser page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from server.callers import Scope
from tests.serving import LiveServer, conform, live_server, problem

EVERYTHING = ["generate", "read", "admin"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture
def key(server: LiveServer) -> Iterator[str]:
    """A key called `reader`, good for reading; the server is open again after the test."""
    yield server.service.keys.add("reader", scopes=[Scope.READ])
    server.service.keys.reset()


@pytest.fixture
def browser(server: LiveServer) -> Iterator[httpx.Client]:
    """A client with a cookie jar of its own."""
    with httpx.Client(base_url=server.client.base_url) as client:
        yield client


def state(client: httpx.Client, **headers: str) -> dict[str, Any]:
    answer = client.get("/api/session", headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_without_keys_nothing_is_asked_for(server: LiveServer, browser: httpx.Client) -> None:
    free = {"needs_key": False, "authenticated": False, "name": None, "scopes": EVERYTHING}
    assert state(browser) == state(browser, **{"x-key": "ignored"}) == free
    begun = browser.post("/api/session", json={"key": "whatever"})
    assert (begun.status_code, "set-cookie" in begun.headers) == (204, False)
    assert browser.get("/api/jobs").status_code == 200
    conform(server, "SessionState", free)


def test_a_page_uses_a_key_that_it_does_not_keep(
    server: LiveServer, browser: httpx.Client, key: str
) -> None:
    assert state(browser) == {
        "needs_key": True, "authenticated": False, "name": None, "scopes": [],
    }  # fmt: skip
    problem(browser.get("/api/jobs"), 401, "key_missing")
    begun = browser.post("/api/session", json={"key": f" {key} "})
    assert (begun.status_code, begun.content) == (204, b"")
    cookie = begun.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Path=/" in cookie
    assert "Secure" not in cookie and key not in cookie
    known = {"needs_key": True, "authenticated": True, "name": "reader", "scopes": ["read"]}
    assert state(browser) == known
    assert browser.get("/api/jobs").status_code == 200
    with browser.stream("GET", "/api/sse/gallery") as stream:
        assert stream.status_code == 200
    problem(browser.post("/api/queue/pause"), 403, "scope_missing")
    conform(server, "SessionState", known)


def test_a_session_ends_with_its_key_or_when_asked(
    server: LiveServer, browser: httpx.Client, key: str
) -> None:
    browser.post("/api/session", json={"key": key})
    assert browser.delete("/api/session").status_code == 204
    assert dict(browser.cookies) == {}
    problem(browser.get("/api/jobs"), 401, "key_missing")
    browser.post("/api/session", json={"key": key})
    assert browser.get("/api/jobs").status_code == 200
    server.service.keys.revoke("reader")
    assert state(browser)["authenticated"] is False
    problem(browser.get("/api/jobs"), 401, "key_missing")


def test_a_page_that_came_by_https_keeps_its_cookie_to_it(browser: httpx.Client, key: str) -> None:
    origin = {"Origin": "https://localhost"}
    begun = browser.post("/api/session", json={"key": key}, headers=origin)
    assert "Secure" in begun.headers["set-cookie"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"key": "wrong"}', 401, "key_refused"),
        (b'{"key": ""}', 422, "invalid_parameters"),
        (b'{"key": 5}', 422, "invalid_parameters"),
        (b'{"key": "%s"}' % (b"x" * 201), 422, "invalid_parameters"),
        (b"{}", 422, "invalid_parameters"),
        (b'{"key": "a", "name": "b"}', 422, "invalid_parameters"),
        (b"key=a", 400, "malformed_request"),
    ],
)
@pytest.mark.usefixtures("key")
def test_what_begins_no_session(browser: httpx.Client, body: bytes, status: int, code: str) -> None:
    begun = browser.post("/api/session", content=body)
    problem(begun, status, code)
    assert "set-cookie" not in begun.headers


def test_a_wrong_key_is_no_secret_to_its_sender(browser: httpx.Client, key: str) -> None:
    assert state(browser, **{"x-key": "wrong"})["authenticated"] is False
    assert state(browser, **{"x-key": key})["name"] == "reader"
    refused = browser.get("/api/jobs", headers={"x-key": "wrong"})
    problem(refused, 401, "key_refused")
    assert refused.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("header", ["x-key", "X-API-Key"])
def test_every_form_of_a_key_is_understood(browser: httpx.Client, key: str, header: str) -> None:
    assert browser.get("/api/jobs", headers={header: key}).status_code == 200
    assert browser.get("/api/jobs", headers={"Authorization": f"Bearer {key}"}).status_code == 200
    assert browser.get("/api/jobs", auth=("anybody", key)).status_code == 200
    assert browser.get("/api/jobs", params={"key": key}).status_code == 200
    problem(browser.post("/api/queue/pause", params={"key": key}), 401, "key_missing")
