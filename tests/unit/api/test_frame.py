"""What arises outside of the routes: unknown paths, wrong methods, foreign hosts."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.serving import LiveServer, conform, live_server, problem


def raw(server: LiveServer, request: bytes) -> bytes:
    """Send bytes as they are and read the whole answer."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(request)
        answer = b""
        while received := connection.recv(65536):
            answer += received
    return answer


def test_an_unknown_path_explains_itself_to_every_client(server: LiveServer) -> None:
    body = problem(server.client.get("/v9/nothing"), 404, "not_found")
    assert all(isinstance(body[word], str) for word in ("message", "error", "detail"))


def test_of_a_long_path_only_the_beginning_is_said_again(server: LiveServer) -> None:
    path = "/v9/" + "x" * 5000
    for answer in (server.client.get(path), server.client.patch(f"/api/jobs/{path[4:]}")):
        assert answer.json()["code"] in ("not_found", "method_not_allowed")
        assert "x" * 50 in answer.text and len(answer.content) < 1000


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/api/jobs/x", "GET, DELETE"),
        ("GET", "/api/generate", "POST"),
        ("POST", "/api/images/x", "GET, HEAD, DELETE"),
        ("POST", "/api/images/facets.png", "GET, HEAD, DELETE"),
        ("HEAD", "/api/images", "GET"),
        ("HEAD", "/api/images/facets", "GET"),
        ("DELETE", "/api/images/facets", "GET"),
        ("POST", "/api/images/facets", "GET"),
    ],
)
def test_a_wrong_method_names_the_right_ones(
    server: LiveServer, method: str, path: str, allow: str
) -> None:
    answer = server.client.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == allow
    if method != "HEAD":  # whose answers have no body
        problem(answer, 405, "method_not_allowed")


def test_a_foreign_host(server: LiveServer) -> None:
    answer = server.client.get("/api/info", headers={"Host": "rebound.example"})
    assert "rebound.example" in problem(answer, 403, "foreign_host")["detail"]


def test_a_foreign_origin_may_read_and_not_change(server: LiveServer) -> None:
    headers = {"Origin": "http://elsewhere.example"}
    assert server.client.get("/api/queue", headers=headers).status_code == 200
    problem(server.client.post("/api/queue/pause", headers=headers), 403, "foreign_origin")
    assert server.client.get("/api/queue").json()["paused"] is False


def test_an_own_origin_may_change(server: LiveServer) -> None:
    headers = {"Origin": f"http://127.0.0.1:{server.port}"}
    assert server.client.post("/api/queue/resume", headers=headers).status_code == 200


def test_an_allowed_origin_may_change_and_read(tmp_path: Path) -> None:
    origin = "https://app.example"
    asked = {"Access-Control-Request-Method": "POST"}
    asked["Access-Control-Request-Headers"] = "content-type, idempotency-key"
    with live_server(tmp_path, allowed_origins=[f"{origin}/"]) as server:
        url, headers = "/api/generate?dry_run=true", {"Origin": origin}
        preflight = server.client.options(url, headers={**headers, **asked})
        assert preflight.status_code == 200
        answer = server.client.post(url, headers=headers, json={"prompt": "red"})
        assert answer.status_code == 200
        for found in (preflight, answer):
            assert found.headers["access-control-allow-origin"] == origin
        foreign = server.client.get("/api/queue", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in foreign.headers


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    path=st.sampled_from(["/api/images", "/api/jobs", "/api/info", "/api/queue"]),
    query=st.dictionaries(
        st.sampled_from(["q", "limit", "offset", "cursor", "model", "lora", "status"]),
        st.text(max_size=20) | st.integers().map(str),
    ),
)
def test_no_query_is_the_servers_fault(
    server: LiveServer, path: str, query: dict[str, str]
) -> None:
    assert server.client.get(path, params=query).status_code in (200, 404, 422)


def test_invalid_escapes_and_bytes_in_a_path(server: LiveServer) -> None:
    host = f"Host: 127.0.0.1:{server.port}\r\nConnection: close\r\n\r\n".encode()
    for path in (b"/api/jobs/%zz", b"/api/images/%", b"/api/jobs?cursor=%ff%00&limit=%31"):
        answer = raw(server, b"GET " + path + b" HTTP/1.1\r\n" + host)
        assert answer.split()[1] in (b"200", b"404", b"422")


def test_health(server: LiveServer) -> None:
    answer = server.client.get("/health")
    assert answer.json()["status"] == "ok"
    conform(server, "Health", answer.json())
    assert server.client.head("/health").status_code == 200


def test_what_goes_wrong_inside_stays_inside(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise RuntimeError("the secret")

    monkeypatch.setattr(server.service, "queue", fail)
    answer = server.client.get("/api/queue")
    body = problem(answer, 500, "internal_error")
    assert "secret" not in answer.text
    assert body["detail"]
    assert any("the secret" in str(record.exc_info) for record in caplog.records)
    assert server.client.get("/health").status_code == 200
