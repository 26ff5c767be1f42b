"""Requests are jobs: what comes through this API is seen through all, and what waits goes away."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from tests.dialects.openai.asking import EDITS, GENERATIONS, answered, coloured, made, opened
from tests.serving import LiveServer, until


def jobs(server: LiveServer) -> list[dict[str, Any]]:
    """All jobs, newest first."""
    found: list[dict[str, Any]] = server.client.get("/api/jobs").json()["jobs"]
    return found


def test_a_request_is_a_job_everywhere(server: LiveServer) -> None:
    with server.open("/api/sse/gallery") as gallery:
        found = made(server.client, model="gpt-image-1", response_format="url", n=2, seed=7)
        told = [json.loads(gallery.next()["data"]) for _ in range(2)]
    job = jobs(server)[0]
    assert (job["status"], job["model"], job["num_images"]) == ("completed", "collage", 2)
    names = [image["filename"] for image in job["images"]]
    assert [item["url"].rpartition("/")[2] for item in found["data"]] == names
    assert {image["filename"] for image in told} == {*names}
    listed = server.client.get("/api/images", params={"limit": 2}).json()["images"]
    assert {image["filename"] for image in listed} == {*names}
    assert {image["seed"] for image in listed} == {7, 8}
    same = server.client.get(f"/api/images/{names[0]}").content
    assert server.client.get(found["data"][0]["url"]).content == same


def test_an_edit_is_a_recipe_that_can_be_repeated(server: LiveServer) -> None:
    files = {"image": coloured("red")}
    answered(server.client.post(EDITS, data={"prompt": "a boat"}, files=files))
    image = server.client.get("/api/images", params={"limit": 1}).json()["images"][0]
    assert image["init_image"].startswith("input:")
    again = server.made("a boat", model="collage", init_image=image["init_image"])
    assert again["status"] == "completed"


def test_native_images_have_addresses_here(server: LiveServer) -> None:
    name = server.made("a red boat", model="colours")["images"][0]["filename"]
    for kind in ("png", "jpeg", "webp"):
        answer = server.client.get(f"/v1/images/files/{name.removesuffix('png')}{kind}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, f"image/{kind}")
        assert opened(answer.content).size == (64, 64)


def test_images_deleted_meanwhile_are_missing_from_a_retry(server: LiveServer) -> None:
    headers = {"Idempotency-Key": "deleted"}
    body = {"prompt": "a teal boat", "n": 2}
    assert server.client.post(GENERATIONS, json=body, headers=headers).status_code == 200
    images = jobs(server)[0]["images"]
    for left, image in zip((1, 0), images, strict=True):
        server.client.delete(f"/api/images/{image['filename']}")
        answer = server.client.post(GENERATIONS, json=body, headers=headers)
        assert answer.status_code == (200 if left else 404)
        assert len(answer.json().get("data", ())) == left


def test_progress_is_seen_elsewhere_while_the_client_waits(server: LiveServer) -> None:
    before = len(jobs(server))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(made, server.client, model="slow")
        until(lambda: len(jobs(server)) > before)
        with server.open(f"/api/sse/{jobs(server)[0]['job_id']}") as stream:
            steps = [snapshot["step"] for snapshot in stream.data()]
        assert waiting.result()["data"]
    assert len({*steps} - {None}) > 1


@contextmanager
def gone(server: LiveServer, body: dict[str, Any]) -> Iterator[str]:
    """A request whose client goes away when the block ends; the id of its job."""
    text, before = json.dumps(body).encode(), len(jobs(server))
    head = (
        f"POST {GENERATIONS} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(head.encode() + text)
        until(lambda: len(jobs(server)) > before)
        yield str(jobs(server)[0]["job_id"])


def test_whoever_goes_away_leaves_a_job_that_runs_and_drops_one_that_waits(
    server: LiveServer,
) -> None:
    body = {"prompt": "a teal boat", "model": "slow", "steps": 50}
    with gone(server, body) as running:
        until(lambda: server.snapshot(running)["status"] == "processing")
        with gone(server, body) as queued:
            assert server.snapshot(queued)["status"] == "queued"
    assert server.finish(queued)["status"] == "cancelled"
    assert server.finish(running)["status"] == "completed"
    assert len(server.snapshot(running)["images"]) == 1
