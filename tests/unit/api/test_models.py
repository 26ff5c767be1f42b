"""Models: list, load, unload."""

from __future__ import annotations

import threading

import pytest

from server.plugins.types import ModelCard
from tests.serving import LiveServer, conform, problem, until


def test_lists_them(server: LiveServer) -> None:
    body = server.client.get("/api/models").json()
    conform(server, "ModelList", body)
    assert [model["id"] for model in body["models"] if model["current"]] == ["colours"]


@pytest.mark.parametrize("path", ["/api/models", "/api/info"])
def test_the_disk_is_not_asked_on_the_event_loop(
    server: LiveServer, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    asked: list[str] = []

    def disk_bytes(card: ModelCard) -> int:
        asked.append(threading.current_thread().name)
        return 5

    monkeypatch.setattr(server.service.catalog, "disk_bytes", disk_bytes)
    assert server.client.get(path).status_code == 200
    assert asked and "server" not in asked


def test_load_changes_the_current_model(server: LiveServer) -> None:
    answer = server.client.post("/api/models/colours-four-step/load")
    assert answer.status_code == 202
    conform(server, "Model", answer.json())
    assert answer.json()["current"] is True
    assert server.client.get("/api/info").json()["model"] == "colours-four-step"
    assert server.made("red")["model"] == "colours-four-step"
    server.client.post("/api/models/colors/load")
    assert server.client.get("/api/info").json()["model"] == "colours"


def test_unload_frees_the_model_and_stays_current(server: LiveServer) -> None:
    server.made("red")
    answer = server.client.post("/api/models/colours/unload")
    assert (answer.status_code, answer.json()["current"]) == (202, True)

    def state() -> str:
        models = server.client.get("/api/models").json()["models"]
        return next(str(model["state"]) for model in models if model["id"] == "colours")

    until(lambda: state() == "on_disk")


@pytest.mark.parametrize("action", ["load", "unload"])
def test_an_unknown_model(server: LiveServer, action: str) -> None:
    answer = server.client.post(f"/api/models/nobody/{action}")
    assert "nobody" in problem(answer, 404, "model_not_found")["detail"]
