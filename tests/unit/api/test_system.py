"""What the server tells of its machine."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from server import __version__
from server.records import now
from server.snapshots import DeviceMemory
from tests.serving import LiveServer, conform, live_server


def test_the_machine_and_what_is_taken_of_it(tmp_path: Path) -> None:
    before = now()
    with live_server(tmp_path, max_streams=7) as server:
        idle = server.client.get("/api/system").json()
        server.made()
        with server.open("/api/sse/jobs"):
            busy = server.client.get("/api/system").json()
        models = server.client.get("/api/models").json()["models"]
        conform(server, "System", busy)
    assert list(idle) == [
        "version", "started_at", "device", "device_memory", "memory", "storage",
        "models_resident", "streams",
    ]  # fmt: skip
    assert (idle["version"], idle["device"]) == (__version__, "cpu")
    assert idle["started_at"].endswith("Z")
    # Told in whole milliseconds.
    started = datetime.fromisoformat(idle["started_at"])
    assert before.timestamp() - 0.001 <= started.timestamp() <= now().timestamp()
    assert busy["started_at"] == idle["started_at"]
    assert 0 < idle["memory"]["free_bytes"] <= idle["memory"]["total_bytes"]
    assert [disk["name"] for disk in idle["storage"]] == ["images", "models", "loras"]
    assert all(0 <= disk["free_bytes"] <= disk["total_bytes"] for disk in idle["storage"])
    assert (idle["models_resident"], idle["streams"]) == ([], {"open": 0, "max": 7})
    (size,) = (model["resident_bytes"] for model in models if model["id"] == "colours")
    assert busy["models_resident"] == [{"id": "colours", "bytes": size, "state": "loaded"}]
    assert busy["streams"] == {"open": 1, "max": 7}
    assert busy["device_memory"] is None, "jobs run in a thread of the server"


def test_the_devices_memory_is_as_the_worker_told(server: LiveServer) -> None:
    server.service._note(DeviceMemory(free=3, total=24))
    told = server.client.get("/api/system").json()
    assert told["device_memory"] == {"total_bytes": 24, "free_bytes": 3}
    conform(server, "System", told)
    server.service._note(DeviceMemory())
    assert server.client.get("/api/system").json()["device_memory"] is None


def test_no_path_of_the_machine_is_told(server: LiveServer) -> None:
    data = str(server.service.settings.folders.images.parent)
    assert data not in server.client.get("/api/system").text
