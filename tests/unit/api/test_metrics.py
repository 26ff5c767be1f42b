"""What Prometheus sees."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.serving import LiveServer, live_server, until

Sample = tuple[str, frozenset[tuple[str, str]]]


def samples(server: LiveServer) -> dict[Sample, float]:
    answer = server.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(server: LiveServer, name: str, **labels: str) -> float:
    return samples(server).get((f"darkroom_{name}", frozenset(labels.items())), 0.0)


def test_numbers_follow_the_server(tmp_path: Path) -> None:
    with live_server(tmp_path) as server:
        server.made(num_images=2)
        server.made("raise")
        server.client.post("/api/queue/pause")
        server.submit()
        assert value(server, "jobs", status="completed") == 1
        assert value(server, "jobs", status="failed") == 1
        assert value(server, "jobs", status="queued") == 1
        assert value(server, "queue_depth") == 1
        assert value(server, "images") == 2
        assert value(server, "sse_subscribers") == 0
        with server.open("/api/sse/jobs"):
            assert value(server, "sse_subscribers") == 1
        until(lambda: value(server, "sse_subscribers") == 0)
        assert value(server, "job_seconds_count", status="completed") == 1
        assert value(server, "job_seconds_count", status="failed") == 1
        assert value(server, "job_seconds_sum", status="completed") > 0


def test_requests_are_counted_by_route(tmp_path: Path) -> None:
    with live_server(tmp_path) as server:
        for name in ("a", "b"):
            server.client.get(f"/api/jobs/{name}")
        server.client.get("/api/images/none.png")
        server.client.get("/nowhere")
        server.client.request("ODD", "/api/queue")
        server.client.get("/api/queue", headers={"Host": "foreign.example"})
        count = "http_requests_total"
        assert value(server, count, method="GET", route="/api/jobs/{job_id}", status="404") == 2
        image = "/api/images/{filename}"
        assert value(server, count, method="GET", route=image, status="404") == 1
        assert value(server, count, method="GET", route="unmatched", status="404") == 1
        assert value(server, count, method="other", route="/api/queue", status="405") == 1
        assert value(server, count, method="GET", route="unmatched", status="403") == 1
        assert value(server, count, method="GET", route="/metrics", status="200") >= 4


def test_servers_count_apart(tmp_path: Path) -> None:
    with live_server(tmp_path / "one") as one, live_server(tmp_path / "two") as two:
        one.made()
        assert value(two, "jobs", status="completed") == 0
        assert value(two, "job_seconds_count", status="completed") == 0
