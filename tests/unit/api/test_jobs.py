"""Jobs: list, look at, cancel, forget."""

from __future__ import annotations

from typing import Any

import pytest

from tests.serving import LiveServer, conform, problem, until


def test_shows_a_snapshot_with_parameters(server: LiveServer, made: dict[str, Any]) -> None:
    conform(server, "JobDetail", made)
    assert made["params"]["seed"] == 7
    assert made["params"]["num_images"] == 2
    assert (made["progress"], made["phase"], made["error"]) == (1.0, None, None)
    assert (made["queue_position"], made["preview"]) == (None, None)


def test_a_drawn_seed_is_part_of_the_parameters(server: LiveServer) -> None:
    job = server.made("red", seed=None)
    assert job["params"]["seed"] == job["images"][0]["seed"] >= 0


def test_an_unknown_job(server: LiveServer) -> None:
    for name in ("20260101_000000_00000000", "x", "%00", "..%2f..", "%zz%ff", "ß"):
        for method, path in [("GET", ""), ("POST", "/cancel"), ("DELETE", "")]:
            answer = server.client.request(method, f"/api/jobs/{name}{path}")
            assert answer.status_code == 404
            assert answer.json()["code"] in ("job_not_found", "not_found")


def test_lists_pages_newest_first(server: LiveServer) -> None:
    submitted = [server.submit() for _ in range(3)]
    first = server.client.get("/api/jobs?limit=2").json()
    second = server.client.get(
        "/api/jobs", params={"limit": 1, "cursor": first["next_cursor"]}
    ).json()
    listed = [job["job_id"] for job in first["jobs"] + second["jobs"]]
    assert listed == submitted[::-1]
    conform(server, "JobPage", first)


@pytest.mark.parametrize(("limit", "count"), [("0", 1), ("-5", 1), ("9" * 30, None)])
def test_clamps_the_limit(
    server: LiveServer, made: dict[str, Any], limit: str, count: int | None
) -> None:
    for path, things in [("/api/jobs", "jobs"), ("/api/images", "images")]:
        answer = server.client.get(path, params={"limit": limit})
        assert answer.status_code == 200
        assert count is None or len(answer.json()[things]) == count


def test_filters_by_status(paused: LiveServer) -> None:
    job_id = paused.submit()
    queued = paused.client.get("/api/jobs?status=queued").json()["jobs"]
    assert [job["job_id"] for job in queued] == [job_id]
    assert queued[0]["queue_position"] == 1
    problem(paused.client.get("/api/jobs?status=lost"), 422, "invalid_parameters")
    paused.client.delete(f"/api/jobs/{job_id}")


def test_cancels_once(paused: LiveServer) -> None:
    job_id = paused.submit()
    answer = paused.client.post(f"/api/jobs/{job_id}/cancel")
    assert answer.status_code == 200
    conform(paused, "Snapshot", answer.json())
    assert (answer.json()["job_id"], answer.json()["status"]) == (job_id, "cancelled")
    problem(paused.client.post(f"/api/jobs/{job_id}/cancel"), 409, "job_already_ended")


def test_cancels_a_running_job(server: LiveServer) -> None:
    job_id = server.submit(steps=100, delay=0.02)
    until(lambda: (server.snapshot(job_id)["step"] or 0) > 1)
    answer = server.client.post(f"/api/jobs/{job_id}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert answer.json()["progress"] < 1


def test_deletes(paused: LiveServer) -> None:
    job_id = paused.submit()
    answer = paused.client.delete(f"/api/jobs/{job_id}")
    assert (answer.status_code, answer.content) == (204, b"")
    problem(paused.client.get(f"/api/jobs/{job_id}"), 404, "job_not_found")
    problem(paused.client.delete(f"/api/jobs/{job_id}"), 404, "job_not_found")


def test_a_failed_job_says_why(server: LiveServer) -> None:
    job = server.made("raise")
    assert job["status"] == "failed"
    assert job["error"]["code"] == "generation_failed"
    assert "asked to raise" in job["error"]["message"]
    conform(server, "JobDetail", job)
