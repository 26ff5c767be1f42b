"""A model that has to be downloaded first: its jobs wait, and others do not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fake_sources import FakeSources, sha256, weights
from tests.servers import ServerProcess
from tests.support import PLUGINS, know_hub

FILES = {
    "model_index.json": b'{"_class_name": "Pipeline", "unet": ["diffusers", "UNet"]}',
    "unet/config.json": b"{}",
    "unet/diffusion_pytorch_model.safetensors": weights(6_000_000),
}
BLOB = "unet/diffusion_pytorch_model.safetensors"

#: The path of the weights at the file host.
BLOB_PATH = f"/blobs/{sha256(FILES[BLOB])}"

#: The path that the hub is asked at for the files of the repository.
LISTING = "/api/models/org/far/revision/main"

Start = Callable[[], ServerProcess]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[FakeSources], Start]:
    """Starts servers with the model `far`, whose weights are in the fake hub."""
    config = tmp_path / "darkroom.toml"
    config.write_text(
        f'plugin_folder = "{PLUGINS}"\ndefault_model = "colours"\ndevice = "cpu"\n'
        "allow_private_sources = true\n"
        '[[models]]\nid = "far"\nlike = "colours"\nsource = "org/far"\n'
    )

    def with_sources(fake: FakeSources) -> Start:
        know_hub(fake.sites().hub.url, tmp_path, monkeypatch)
        return lambda: ServerProcess(tmp_path / "data", "--config", str(config))

    return with_sources


def until_downloaded(server: ServerProcess, job_id: str, size: int) -> dict[str, Any]:
    """The first snapshot of a job that shows this many bytes of its model."""
    for job in server.snapshots(job_id):
        if job["download"] and job["download"]["bytes"] >= size:
            return job
    raise AssertionError("the download ended before")


def test_a_job_waits_for_its_model_while_others_run(
    start: Callable[[FakeSources], Start],
) -> None:
    with FakeSources() as fake:
        fake.add_repository("org/far", FILES)
        fake.fail(BLOB_PATH, fake.stall(FILES[BLOB], 3_000_000))
        with start(fake)() as server:
            far = server.submit("red", model="far")
            near = server.wait(server.submit("blue"))
            assert near["status"] == "completed"
            waiting = until_downloaded(server, far, 2_000_000)
            assert (waiting["status"], waiting["phase"]) == ("queued", "downloading")
            assert waiting["download"]["total_bytes"] == sum(map(len, FILES.values()))
            states = {model["id"]: model["state"] for model in server.get("/api/models")["models"]}
            assert states["far"] == "downloading"
            fake.release()
            done = server.wait(far)
            assert done["status"] == "completed"
            assert done["download"] is None
            # It is here now: the hub is not asked again.
            asked = len(fake.requests(LISTING))
            assert server.wait(server.submit("red", model="far"))["status"] == "completed"
            assert len(fake.requests(LISTING)) == asked


def test_a_download_that_fails_fails_the_jobs_that_wait_for_it(
    start: Callable[[FakeSources], Start],
) -> None:
    with FakeSources() as fake:
        fake.add_repository("org/far", FILES, gated=True)
        with start(fake)() as server:
            failed = server.wait(server.submit("red", model="far"))
            assert failed["status"] == "failed"
            assert failed["error"]["code"] == "gated_source"
            assert "HF_TOKEN" in failed["error"]["message"]
            assert server.wait(server.submit("blue"))["status"] == "completed"


def test_a_waiting_job_survives_the_server_and_can_be_cancelled(
    start: Callable[[FakeSources], Start],
) -> None:
    with FakeSources() as fake:
        fake.add_repository("org/far", FILES)
        fake.fail(BLOB_PATH, fake.stall(FILES[BLOB], 3_000_000))
        serve = start(fake)
        with serve() as server:
            first, second = (server.submit("red", model="far") for _ in range(2))
            until_downloaded(server, first, 2_000_000)
            server.kill()
        with serve() as server:
            assert server.wait(first)["status"] == "completed"
            assert server.wait(second)["status"] == "completed"
        resumed = [seen.headers.get("Range") for seen in fake.requests(BLOB_PATH)]
        assert any(resumed), "the second server went on where the first stopped"


def test_loading_a_model_downloads_it(start: Callable[[FakeSources], Start]) -> None:
    with FakeSources() as fake:
        fake.add_repository("org/far", FILES)
        with start(fake)() as server:
            answer = server.client.post("/api/models/far/load")
            assert answer.status_code == 202
            assert json.loads(answer.text)["state"] in ("downloading", "loading", "loaded")
            assert server.wait(server.submit("red"))["model"] == "far"
