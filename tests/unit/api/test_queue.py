"""The queue: numbers, pause, resume."""

from __future__ import annotations

from tests.serving import LiveServer, conform, until


def test_pauses_and_resumes(server: LiveServer) -> None:
    until(lambda: server.client.get("/api/queue").json()["running"] == 0)
    paused = server.client.post("/api/queue/pause").json()
    assert list(paused) == [
        "paused", "pending", "running", "completed", "failed", "cancelled",
    ]  # fmt: skip
    assert paused["paused"] is True
    conform(server, "Queue", paused)
    jobs = [server.submit() for _ in range(2)]
    assert [server.snapshot(job)["queue_position"] for job in jobs] == [1, 2]
    assert server.client.get("/api/queue").json()["pending"] == 2
    resumed = server.client.post("/api/queue/resume").json()
    assert resumed["paused"] is False
    assert [server.finish(job)["status"] for job in jobs] == ["completed"] * 2
