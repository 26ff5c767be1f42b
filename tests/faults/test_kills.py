"""kill -9 of the worker and of the server, at any moment.

With the real model where what it computes matters. What the server does with jobs is also seen with
a family that takes no seconds to load, whose processes are as real; `make soak` tries both.
"""

from __future__ import annotations

import io
import random
import re
import sqlite3
import time
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from tests.servers import ENDED, PATIENCE, ServerProcess
from tests.support import PLUGINS

#: Small and quick, so that a kill hits every phase of a job.
QUICK = {"width": 64, "height": 64, "steps": 3}

#: A job that is not done before a test has done something to it; the delay is the colours' own.
LONG = {"width": 512, "height": 512, "steps": 50, "delay": 0.2}


def serving(model: str) -> tuple[str, ...]:
    """The options of a server with this default model."""
    return ("--plugin-folder", str(PLUGINS), "--default-model", model, "--device", "cpu")


EITHER = pytest.mark.parametrize(
    "model", ["colours", pytest.param("postcard", marks=pytest.mark.slow)]
)


def wait_for_step(server: ServerProcess, job_id: str, image_index: int, step: int) -> None:
    """Return once the job is at this step of this image."""
    for shown in server.snapshots(job_id):
        assert shown["status"] in ("queued", "processing"), shown
        if shown["image_index"] == image_index and (shown["step"] or 0) >= step:
            return


def check_consistency(server: ServerProcess, data: Path, job_ids: list[str]) -> None:
    """Every job completed; every image is there once, whole, and in the gallery."""
    for job_id in reversed(job_ids):  # the last to end first: a stream for each takes long
        shown = server.get(f"/api/jobs/{job_id}")
        if shown["status"] not in ENDED:
            shown = server.wait(job_id)
        assert shown["status"] == "completed", shown
        assert len(shown["images"]) == shown["num_images"]
    rows = server.images()
    names = Counter(image["filename"] for image in rows)
    assert set(names.values()) == {1}
    for folder, kind in (("images", "PNG"), ("thumbs", "WEBP")):
        files = {path.name: path for path in (data / folder).iterdir()}
        assert set(files) == set(names)
        for path in files.values():
            with Image.open(io.BytesIO(path.read_bytes())) as image:
                image.load()
                assert image.format == kind


def check_database(data: Path) -> None:
    """The database is sound and its search index agrees with its rows."""
    connection = sqlite3.connect(data / "darkroom.db")
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.execute("INSERT INTO images_search(images_search) VALUES ('integrity-check')")
        orphans = "SELECT count(*) FROM images WHERE job_id NOT IN (SELECT id FROM jobs)"
        assert connection.execute(orphans).fetchone() == (0,)
    finally:
        connection.close()


def test_a_job_outlives_its_worker_and_gives_the_same_bytes(tmp_path: Path) -> None:
    request = {"seed": 11, "num_images": 3, "steps": 12}
    with ServerProcess(tmp_path / "data") as server:
        undisturbed = server.submit(**request)
        assert server.wait(undisturbed)["status"] == "completed"
        job_id = server.submit(**request)
        wait_for_step(server, job_id, image_index=1, step=4)
        first = server.get(f"/api/jobs/{job_id}")["images"][0]
        server.kill_worker()
        shown = server.wait(job_id)
        assert shown["status"] == "completed" and shown["attempt"] == 2
        assert shown["images"][0] == first, "the finished image was made again"
        for index in range(3):
            pixels = [
                Image.open(io.BytesIO(server.png(f"{name}_{index}.png"))).tobytes()
                for name in (undisturbed, job_id)
            ]
            assert pixels[0] == pixels[1], index


@EITHER
def test_three_losses_fail_the_job_and_the_next_one_runs(tmp_path: Path, model: str) -> None:
    with ServerProcess(tmp_path / "data", *serving(model)) as server:
        doomed = server.submit(**LONG)
        following = server.submit(**QUICK)
        attempts = set()
        for shown in server.snapshots(doomed):
            if shown["step"] and shown["attempt"] not in attempts:
                attempts.add(shown["attempt"])
                server.kill_worker()
        assert shown["status"] == "failed" and attempts == {1, 2, 3}
        assert shown["error"]["code"] == "worker_lost"
        assert server.wait(following)["status"] == "completed"


@EITHER
def test_a_restart_of_the_server_goes_on_where_it_was(tmp_path: Path, model: str) -> None:
    data = tmp_path / "data"
    with ServerProcess(data, *serving(model)) as server:
        job_id = server.submit(num_images=2, steps=30, delay=0.05)
        waiting = server.submit(**QUICK)
        wait_for_step(server, job_id, image_index=1, step=2)
        (last,) = (
            event for event, _ in zip(server.events(f"/api/sse/{job_id}"), [0], strict=False)
        )
        made = server.get(f"/api/jobs/{job_id}")["images"][0]
        server.kill()
    with ServerProcess(data, *serving(model)) as server:
        headers = {"Last-Event-ID": last.id}
        events = list(server.events(f"/api/sse/{job_id}", **headers))
        orders = [tuple(map(int, event.id.split("."))) for event in events]
        assert orders == sorted(set(orders)) and orders[0] > tuple(map(int, last.id.split(".")))
        check_consistency(server, data, [job_id, waiting])
        assert server.get(f"/api/jobs/{job_id}")["images"][0] == made
        final = server.client.get(f"/api/sse/{job_id}", headers={"Last-Event-ID": events[-1].id})
        assert final.status_code == 204
    check_database(data)


def kill_at_random(
    tmp_path: Path, seed: int, rounds: int, jobs: int, *options: str, longest: float = 6.0
) -> list[str]:
    """Kill a server with these options or its worker `rounds` times at random moments of a stream
    of `jobs`, at most `longest` seconds after the first began; the status of each at the end."""
    chance = random.Random(seed)
    data = tmp_path / "data"
    accepted: list[str] = []
    for turn in range(rounds):
        with ServerProcess(data, *options) as server:
            for _ in range(jobs // rounds):
                accepted.append(server.submit(num_images=chance.randint(1, 2), **QUICK))
            deadline = time.monotonic() + PATIENCE
            while server.get("/api/queue")["running"] == 0 and time.monotonic() < deadline:
                time.sleep(0.02)
            time.sleep(chance.uniform(0.0, longest if turn % 2 else longest / 6))
            if chance.random() < 0.3:
                server.kill_worker()
                time.sleep(chance.uniform(0.0, 0.5))
            server.kill()
    with ServerProcess(data, *options) as server:
        check_consistency(server, data, accepted)
        statuses = [str(server.get(f"/api/jobs/{job_id}")["status"]) for job_id in accepted]
    check_database(data)
    return statuses


def test_no_job_is_lost_by_a_few_random_kills(tmp_path: Path) -> None:
    statuses = kill_at_random(tmp_path, 1, 3, 30, *serving("colours"), longest=1.5)
    assert statuses == ["completed"] * 30


@pytest.mark.soak
@pytest.mark.timeout(3000)
def test_no_job_is_lost_by_many_random_kills(tmp_path: Path) -> None:
    assert kill_at_random(tmp_path, seed=2, rounds=50, jobs=150) == ["completed"] * 150


@EITHER
@pytest.mark.timeout(600)
def test_two_hundred_waiting_jobs_survive_a_kill(tmp_path: Path, model: str) -> None:
    data = tmp_path / "data"
    with ServerProcess(data, *serving(model), "--on-start", "pause") as server:
        accepted = [server.submit(**{**QUICK, "steps": 1}) for _ in range(200)]
        server.kill()
    with ServerProcess(data, *serving(model)) as server:
        assert server.get("/api/queue")["pending"] + len(server.images()) >= 199
        server.kill()
    with ServerProcess(data, *serving(model)) as server:
        check_consistency(server, data, accepted)
    check_database(data)


# With both each time: a process that is busy in torch must end as quickly as one that waits.
@pytest.mark.parametrize("model", ["colours", "postcard"])
def test_sigterm_puts_a_long_job_back_within_ten_seconds(tmp_path: Path, model: str) -> None:
    data = tmp_path / "data"
    with ServerProcess(data, *serving(model)) as server:
        job_id = server.submit(**LONG)
        wait_for_step(server, job_id, image_index=0, step=1)
        watching = server.events("/api/sse/gallery")  # an open stream must not hold it up
        assert server.terminate() < 10
        del watching
        assert server.process.returncode in (0, -15)
    connection = sqlite3.connect(data / "darkroom.db")
    row = connection.execute("SELECT status, losses, restarts FROM jobs").fetchone()
    connection.close()
    assert row == ("queued", 0, 0)


@EITHER
def test_a_signal_to_the_whole_group_costs_the_job_nothing(tmp_path: Path, model: str) -> None:
    data = tmp_path / "data"
    with ServerProcess(data, *serving(model)) as server:
        job_id = server.submit(**LONG)
        wait_for_step(server, job_id, image_index=0, step=1)
        for worker in server.workers():
            worker.terminate()  # as systemd and a terminal do, to every process of the group
        assert server.terminate() < 10
    connection = sqlite3.connect(data / "darkroom.db")
    row = connection.execute("SELECT status, attempt, losses FROM jobs").fetchone()
    connection.close()
    assert row == ("queued", 1, 0)


def test_a_second_server_on_the_same_folder_refuses_to_start(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with ServerProcess(data, *serving("colours"), "--on-start", "pause") as server:
        with pytest.raises(AssertionError, match=re.compile("code 1 .*Another server", re.DOTALL)):
            ServerProcess(data)
        assert server.get("/health")["status"] == "ok"
