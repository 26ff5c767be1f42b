"""A key for generating cancels its own jobs and nobody else's."""

from __future__ import annotations

from pathlib import Path

from server.callers import Scope
from tests.serving import live_server, problem


def test_other_peoples_jobs_are_cancelled_by_administrators_alone(tmp_path: Path) -> None:
    with live_server(tmp_path / "data", on_start="pause") as server:
        keys = server.service.keys
        own, other = (keys.add(name, scopes=[Scope.GENERATE]) for name in ("own", "other"))
        boss = keys.add("boss")
        client = server.client
        accepted = [
            client.post("/api/generate", json={"prompt": "red"}, headers={"x-key": own}).json()
            for _ in range(2)
        ]
        first, second = (f"/api/jobs/{each['job_id']}/cancel" for each in accepted)
        problem(client.post(first, headers={"x-key": other}), 403, "scope_missing")
        cancelled = client.post(first, headers={"x-key": own})
        assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
        cancelled = client.post(second, headers={"x-key": boss})
        assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
