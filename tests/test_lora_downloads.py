"""LoRAs are downloaded in jobs of their own: seen, cancelled, taken up again, beside the queue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from server.lora_entry import LoraEntry
from tests.fake_civitai import CIVITAI_KEY
from tests.fake_sources import FakeSources, lora, sha256
from tests.lora_downloading import ask, jobs, loras, serve, until_bytes
from tests.servers import ServerProcess
from tests.serving import LiveServer, conform, problem, until
from tests.support import PLUGINS, know_hub

VERSION, MODEL = 1963644, 1377820
LARGE = lora(200_000)
BLOB = f"/blobs/{sha256(LARGE)}"


@pytest.fixture(scope="module")
def environment() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def sources(
    tmp_path_factory: pytest.TempPathFactory, environment: pytest.MonkeyPatch
) -> Iterator[FakeSources]:
    with FakeSources() as started:
        know_hub(started.hub_url, tmp_path_factory.mktemp("hub"), environment)
        environment.setenv("CIVITAI_API_KEY", CIVITAI_KEY)
        yield started


@pytest.fixture(scope="module")
def shared(sources: FakeSources, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with serve(sources, tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture
def fake(sources: FakeSources) -> FakeSources:
    sources.faults.clear()
    sources.seen.clear()
    return sources


def test_a_lora_is_brought_and_usable(shared: LiveServer, fake: FakeSources) -> None:
    fake.add_lora(VERSION, MODEL, lora(fill=1))
    answer = shared.client.post("/api/loras", json={"ref": f"{MODEL}@{VERSION}"})
    problem(answer, 422, "malformed_reference")
    answer = shared.client.post("/api/loras", json={"ref": f"civitai:{MODEL}@{VERSION}"})
    conform(shared, "Accepted", answer.json())
    job_id = answer.json()["job_id"]
    assert answer.json()["queue_position"] is None
    with shared.open(answer.json()["sse_url"]) as stream:
        events = stream.data()
    last = events[-1]
    assert (last["status"], last["lora"], last["kind"]) == (
        "completed",
        f"civitai_{VERSION}",
        "download",
    )
    assert (last["model"], last["num_images"], last["images"]) == (None, 0, [])
    assert last["progress"] == 1 and last["started_at"] and last["finished_at"]
    for event in events:
        conform(shared, "Snapshot", event)
    assert {event["phase"] for event in events} <= {None, "downloading"}
    detail = shared.client.get(f"/api/jobs/{job_id}").json()
    conform(shared, "JobDetail", detail)
    assert detail["lora"] == f"civitai_{VERSION}", "also from the database"
    assert detail["params"]["ref"] == f"civitai:{MODEL}@{VERSION}"
    found = shared.client.get(f"/api/loras/civitai_{VERSION}").json()
    assert found["trigger_words"] == ["inkwash", "ink wash", "paper"]
    assert shared.client.get(found["preview_url"]).headers["content-type"] == "image/png"
    listed = shared.client.get("/api/jobs").json()["jobs"]
    assert job_id in [job["job_id"] for job in listed]


def test_what_is_here_completes_at_once(shared: LiveServer, fake: FakeSources) -> None:
    fake.add_lora(50, 5, lora(fill=2))
    assert shared.finish(ask(shared, "50"))["lora"] == "civitai_50"
    fake.seen.clear()
    assert shared.finish(ask(shared, "civitai:@50"))["lora"] == "civitai_50"
    assert fake.seen == []


def test_shows_bytes_and_speed_and_is_cancelled(shared: LiveServer, fake: FakeSources) -> None:
    fake.add_lora(60, 6, LARGE)
    fake.fail(BLOB, fake.stall(LARGE, 1_000_000))
    job_id = ask(shared, "60")
    shown = until_bytes(shared, job_id, 500_000)
    assert (shown["status"], shown["phase"]) == ("processing", "downloading")
    assert shown["download"]["total_bytes"] == pytest.approx(len(LARGE), abs=1024)
    assert 0 < shown["progress"] < 1 and shown["queue_position"] is None
    assert ask(shared, "60") == job_id, "one download of a LoRA at a time"
    before = loras(shared)
    answer = shared.client.post(f"/api/jobs/{job_id}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert answer.json()["download"] is None and loras(shared) == before
    problem(shared.client.post(f"/api/jobs/{job_id}/cancel"), 409, "job_already_ended")
    again = ask(shared, "60")
    assert shared.finish(again)["lora"] == "civitai_60"
    assert any(seen.headers.get("Range") for seen in fake.requests(BLOB)), "what was there is used"


def test_a_download_is_no_part_of_the_queue(shared: LiveServer, fake: FakeSources) -> None:
    data = lora(200_000, fill=3)
    fake.add_lora(70, 7, data)
    fake.fail(f"/blobs/{sha256(data)}", fake.stall(data, 1_000_000))
    shared.client.post("/api/queue/pause")
    try:
        before = shared.client.get("/api/queue").json()
        job_id = ask(shared, "70")
        until_bytes(shared, job_id, 500_000)
        image = shared.submit("red")
        assert shared.snapshot(image)["queue_position"] == 1
        queue = shared.client.get("/api/queue").json()
        assert (queue["pending"], queue["running"]) == (1, 0)
        shared.client.post("/api/queue/resume")
        assert shared.finish(image)["status"] == "completed"
        assert shared.snapshot(job_id)["status"] == "processing", "images pass it"
        assert shared.client.delete(f"/api/jobs/{job_id}").status_code == 204
        problem(shared.client.get(f"/api/jobs/{job_id}"), 404, "job_not_found")
        after = shared.client.get("/api/queue").json()
        assert after["completed"] == before["completed"] + 1
        assert after["cancelled"] == before["cancelled"]
    finally:
        shared.client.post("/api/queue/resume")


def test_a_restart_goes_on_where_it_stopped(sources: FakeSources, tmp_path: Path) -> None:
    data = lora(200_000, fill=4)
    blob = f"/blobs/{sha256(data)}"
    sources.add_lora(80, 8, data)
    sources.fail(blob, sources.stall(data, 1_000_000))
    with serve(sources, tmp_path) as server:
        job_id = ask(server, "80")
        shown = until_bytes(server, job_id, 500_000)
    with serve(sources, tmp_path) as server:
        done = server.finish(job_id)
        assert (done["status"], done["lora"]) == ("completed", "civitai_80")
        assert done["attempt"] > shown["attempt"]
        assert server.client.get("/api/loras/civitai_80").json()["sha256"] == sha256(data)
    ranges = [seen.headers.get("Range") for seen in sources.requests(blob)]
    assert ranges[0] is None and int(str(ranges[-1]).removeprefix("bytes=")[:-1]) >= 500_000


def test_a_killed_server_goes_on_where_it_stopped(sources: FakeSources, tmp_path: Path) -> None:
    data = lora(200_000, fill=9)
    blob = f"/blobs/{sha256(data)}"
    sources.add_lora(85, 8, data)
    sources.fail(blob, sources.stall(data, 1_000_000))
    config = tmp_path / "darkroom.toml"
    config.write_text(
        f'plugin_folder = "{PLUGINS}"\ndefault_model = "colours"\npreload = false\n'
        f'allow_private_sources = true\ncivitai_url = "{sources.civitai_url}"\n'
    )
    with ServerProcess(tmp_path / "data", "--config", str(config)) as server:
        job_id = server.client.post("/api/loras", json={"ref": "85"}).json()["job_id"]
        for shown in server.snapshots(job_id):
            if shown["download"] and shown["download"]["bytes"] >= 500_000:
                break
        server.kill()
    with ServerProcess(tmp_path / "data", "--config", str(config)) as server:
        done = server.wait(job_id)
        assert (done["status"], done["lora"]) == ("completed", "civitai_85")
        path = tmp_path / "data" / "loras" / "lora_85.safetensors"
        assert path.read_bytes() == data
    begun = str(sources.requests(blob)[-1].headers["Range"]).removeprefix("bytes=")[:-1]
    assert int(begun) >= 500_000


@pytest.mark.parametrize(
    "ref", ["/etc/passwd", "./x.safetensors", "~/x.safetensors", "x.ckpt", "", "some words"]
)
def test_what_names_no_place_is_refused_at_once(shared: LiveServer, ref: str) -> None:
    answer = shared.client.post("/api/loras", json={"ref": ref})
    code = "malformed_reference" if ref else "invalid_parameters"
    assert problem(answer, 422, code)["code"] == code


@pytest.mark.parametrize("body", [{}, {"ref": 1963644}, {"ref": "1", "path": "x"}])
def test_a_body_that_is_none_is_refused(shared: LiveServer, body: dict[str, Any]) -> None:
    answer = shared.client.post("/api/loras", json=body)
    assert problem(answer, 422, "invalid_parameters")["errors"]


def test_the_configuration_s_loras_are_brought_and_described(
    fake: FakeSources, tmp_path: Path
) -> None:
    fake.add_lora(90, 9, lora(fill=5))
    (tmp_path / "mine.safetensors").write_bytes(lora(fill=6))
    entries = (
        LoraEntry(ref="civitai:90", triggers=("my words",), weight=0.6, trigger_weight=0.2),
        LoraEntry(ref=str(tmp_path / "mine.safetensors"), triggers=("mine",)),
        LoraEntry(ref="civitai:17"),
    )
    with serve(fake, tmp_path / "data", loras=entries) as server:
        until(lambda: len(loras(server)) == 2)
        found = loras(server)
        assert found["Lora 9"]["trigger_words"] == ["my words"]
        assert (found["Lora 9"]["weight"], found["Lora 9"]["trigger_weight"]) == (0.6, 0.2)
        assert found["mine"]["trigger_words"] == ["mine"]
        changed = server.client.patch("/api/loras/civitai_90", json={"weight": 1.5}).json()
        assert (changed["weight"], changed["trigger_words"]) == (1.5, ["my words"])
        until(lambda: [job["status"] for job in jobs(server)].count("failed") == 1)
        failed = [job["error"]["code"] for job in jobs(server) if job["error"]]
        assert failed == ["source_missing"], "one that cannot be had keeps no other"
    with serve(fake, tmp_path / "data", loras=entries) as server:
        until(lambda: [job["status"] for job in jobs(server)].count("failed") == 2)
        assert len(jobs(server)) == 4, "only what is missing is asked for again"
        kept = server.client.get("/api/loras/civitai_90").json()
        assert (kept["weight"], kept["trigger_words"]) == (1.5, ["my words"])


def test_the_key_stays_at_civitai(
    fake: FakeSources, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    fake.add_lora(91, 9, lora(fill=8))
    page = f"{fake.civitai_url}/api/download/models/91?token={CIVITAI_KEY}"
    with serve(fake, tmp_path) as server:
        job_id = ask(server, page)
        assert server.finish(job_id)["lora"] == "civitai_91"
        shown = json.dumps(server.client.get(f"/api/jobs/{job_id}").json())
    assert CIVITAI_KEY not in shown and CIVITAI_KEY not in caplog.text
    for seen in fake.seen:
        has_key = CIVITAI_KEY in str(seen.headers.get("Authorization"))
        assert has_key == (f"http://{seen.host}" == fake.civitai_url), seen
        assert CIVITAI_KEY not in seen.path
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in kept if CIVITAI_KEY.encode() in path.read_bytes()]
