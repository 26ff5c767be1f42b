"""A server that downloads LoRAs from fake sources, and what tests ask of it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from tests.fake_sources import FakeSources
from tests.serving import LiveServer, live_server, until


def serve(fake: FakeSources, data: Path, **settings: Any) -> AbstractContextManager[LiveServer]:
    """A server that knows the fake civitai and may use loopback."""
    known = {"civitai_url": fake.civitai_url, "allow_private_sources": True}
    return live_server(data, **{**known, **settings})


def ask(server: LiveServer, ref: str) -> str:
    """The id of the job for a LoRA."""
    answer = server.client.post("/api/loras", json={"ref": ref})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])


def until_bytes(server: LiveServer, job_id: str, size: int) -> dict[str, Any]:
    """The job, once so many bytes of its LoRA are there."""
    until(lambda: (server.snapshot(job_id)["download"] or {"bytes": 0})["bytes"] >= size)
    return server.snapshot(job_id)


def loras(server: LiveServer) -> dict[str, dict[str, Any]]:
    """The LoRAs that no family brought, by their names."""
    found = server.client.get("/api/loras").json()["loras"]
    return {each["name"]: each for each in found if not each["bundled"]}


def jobs(server: LiveServer) -> list[dict[str, Any]]:
    """The newest jobs."""
    found: list[dict[str, Any]] = server.client.get("/api/jobs").json()["jobs"]
    return found


def kept(server: LiveServer) -> list[str]:
    """Every file in the folder of LoRAs, hidden ones too."""
    folder = server.service.settings.folders.loras
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
