"""What the gallery can be filtered by."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import insert

from server.database import images
from server.records import now
from tests.serving import LiveServer, conform, live_server


def add_old_image(server: LiveServer) -> None:
    """An image as it was left by a model and a LoRA that are gone."""
    values = {
        "filename": "20260101_000000_00000001_0.png",
        "job_id": "20260101_000000_00000001",
        "index": 0,
        "model": "a model of old",
        "family": "colours",
        "prompt": "red",
        "width": 64,
        "height": 64,
        "recipe": {"prompt": "red", "loras": [{"id": "local_0123456789ab", "weight": 1.0}]},
        "created_at": now(),
        "seconds": 1.0,
        "size": 1,
    }
    with server.service._database.writing() as connection:
        connection.execute(insert(images).values(**values))


def test_models_and_loras_with_their_counts(tmp_path: Path) -> None:
    with live_server(tmp_path) as server:
        empty = server.client.get("/api/images/facets").json()
        server.made(num_images=2)
        add_old_image(server)
        answer = server.client.get("/api/images/facets")
        conform(server, "ImageFacets", answer.json())
        filtered = server.client.get("/api/images", params={"lora": "local_0123456789ab"}).json()
    assert empty == {"models": [], "loras": []}
    assert answer.json() == {
        "models": [{"id": "colours", "count": 2}, {"id": "a model of old", "count": 1}],
        "loras": [{"id": "local_0123456789ab", "name": None, "count": 1}],
    }
    assert filtered["total"] == 1
