"""Models that cannot be had, or not yet: everything else goes on, and clients are told why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.model_entry import ModelEntry
from tests.fake_sources import FakeSources, sha256, weights
from tests.serving import LiveServer, live_server, until
from tests.support import know_hub

UNET = "unet/diffusion_pytorch_model.safetensors"
UNREADABLE = f"/{'x' * 300}.safetensors"


def files(fill: int) -> dict[str, bytes]:
    """A repository whose weights nobody else has."""
    return {
        "model_index.json": b'{"_class_name": "Pipeline", "unet": ["diffusers", "UNet"]}',
        "unet/config.json": b"{}",
        UNET: weights(600_000, fill),
    }


def blob(fill: int) -> str:
    """The path of the weights of `files(fill)` at the file host."""
    return f"/blobs/{sha256(files(fill)[UNET])}"


Start = Callable[..., AbstractContextManager[LiveServer]]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSources]:
    with FakeSources() as sources:
        know_hub(sources.hub_url, tmp_path, monkeypatch)
        yield sources


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Starts servers with models of the colours, each with its own source."""

    def serve(**sources: str | dict[str, Any]) -> AbstractContextManager[LiveServer]:
        entries = tuple(
            ModelEntry.model_validate(
                {
                    "id": name,
                    "like": "colours",
                    **(source if isinstance(source, dict) else {"source": source}),
                }
            )
            for name, source in sources.items()
        )
        return live_server(tmp_path / "data", models=entries, allow_private_sources=True)

    return serve


def model(server: LiveServer, name: str) -> dict[str, Any]:
    found = server.client.get("/api/models").json()["models"]
    return next(each for each in found if each["id"] == name)


def load(server: LiveServer, name: str, action: str = "load") -> httpx.Response:
    answer = server.client.post(f"/api/models/{name}/{action}")
    assert answer.status_code == 202
    return answer


def fails(server: LiveServer, name: str) -> dict[str, str]:
    """The error of a job of a model."""
    error: dict[str, str] = server.made("red", model=name)["error"]
    return error


# --- what can never be had -----------------------------------------------------------------


@pytest.mark.parametrize("source", [UNREADABLE, "package:no_such_package"])
def test_a_source_that_cannot_be_read_fails_its_jobs_and_nothing_else(
    start: Start, source: str
) -> None:
    with start(bad=source) as server:
        error = fails(server, "bad")
        assert error["code"] == "model_load_failed"
        found = model(server, "bad")
        assert (found["state"], found["error"]) == ("missing", error["message"])
        assert server.client.get("/api/info").status_code == 200
        load(server, "bad")
        until(lambda: model(server, "bad")["state"] == "failed")
        assert server.made("blue", model="colours")["status"] == "completed"


def test_jobs_of_a_source_that_cannot_be_read_survive_no_restart_as_an_obstacle(
    start: Start,
) -> None:
    with start(bad=UNREADABLE) as server:
        server.client.post("/api/queue/pause")
        waiting = server.submit("red", model="bad")
        assert server.snapshot(waiting)["queue_position"] == 1
    with start(bad=UNREADABLE) as server:
        assert server.finish(waiting)["error"]["code"] == "model_load_failed"
        assert server.made("blue", model="colours")["status"] == "completed"


def test_an_address_that_cannot_be_one_fails_the_jobs_that_wait(start: Start) -> None:
    with start(bad="https://models..example.org/x.safetensors") as server:
        assert fails(server, "bad")["code"] == "source_failed"
        assert fails(server, "bad")["code"] == "source_failed", "the second is not left waiting"


def test_a_missing_local_part_is_named(fake: FakeSources, start: Start) -> None:
    fake.add_repository("org/far", files(1))
    parts = {"source": "org/far", "components": {"vae": "/nowhere/vae"}}
    with start(far=parts) as server:
        assert "/nowhere/vae" in fails(server, "far")["message"]
        assert "/nowhere/vae" in model(server, "far")["error"]
    assert fake.seen == []


def test_why_a_load_failed_is_seen_until_it_succeeds(fake: FakeSources, start: Start) -> None:
    repository = fake.add_repository("org/far", files(1), gated=True)
    with start(far="org/far") as server:
        assert "models pull far" in model(server, "far")["error"]
        load(server, "far")
        until(lambda: model(server, "far")["state"] == "failed")
        assert "is gated" in model(server, "far")["error"]
        repository.gated = False
        load(server, "far")
        until(lambda: model(server, "far")["state"] == "loaded")
        found = model(server, "far")
        assert found["error"] is None
        assert found["disk_bytes"] == len(files(1)[UNET])


# --- who holds a download ------------------------------------------------------------------


def test_cancelling_a_job_leaves_the_download_to_the_load(fake: FakeSources, start: Start) -> None:
    fake.add_repository("org/far", files(1))
    fake.fail(blob(1), fake.stall(files(1)[UNET], 100_000))
    with start(far="org/far") as server:
        assert load(server, "far").json()["state"] == "downloading"
        job = server.submit("red", model="far")
        server.client.post(f"/api/jobs/{job}/cancel")
        assert model(server, "far")["state"] == "downloading"
        fake.release()
        until(lambda: model(server, "far")["state"] == "loaded")


def test_unloading_stops_a_download_that_only_a_load_wanted(
    fake: FakeSources, start: Start
) -> None:
    fake.add_repository("org/far", files(1))
    fake.fail(blob(1), *[fake.stall(files(1)[UNET], 100_000)] * 2)
    with start(far="org/far") as server:
        load(server, "far")
        assert load(server, "far", "unload").json()["state"] == "missing"
        job = server.submit("red", model="far")
        load(server, "far")
        assert load(server, "far", "unload").json()["state"] == "downloading", "a job needs it"
        fake.release()
        assert server.finish(job)["status"] == "completed"


def test_loading_another_model_forgets_the_download_of_the_first(
    fake: FakeSources, start: Start
) -> None:
    fake.add_repository("org/far", files(1))
    fake.fail(blob(1), fake.stall(files(1)[UNET], 100_000))
    with start(far="org/far") as server:
        load(server, "far")
        load(server, "colours")
        assert model(server, "far")["state"] == "missing"
        until(lambda: model(server, "colours")["state"] == "loaded")


def test_a_slow_download_does_not_hold_the_others(fake: FakeSources, start: Start) -> None:
    for fill, name in enumerate(("slow", "slower", "quick"), start=1):
        fake.add_repository(f"org/{name}", files(fill))
    for fill in (1, 2):
        fake.fail(blob(fill), fake.stall(files(fill)[UNET], 100_000))
    with start(slow="org/slow", slower="org/slower", quick="org/quick") as server:
        server.submit("red", model="slow")
        assert server.made("red", model="quick")["status"] == "completed"
        server.submit("red", model="slower")
        waiting = server.submit("red", model="slow")
        shown = server.snapshot(waiting)
        assert (shown["status"], shown["phase"]) == ("queued", "downloading")
        fake.release()
        assert server.finish(waiting)["status"] == "completed"
