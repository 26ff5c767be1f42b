"""The three event streams, byte by byte over TCP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving import LiveServer, live_server, until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(tmp_path_factory.mktemp("data"), max_queued=50) as running:
        yield running


def revision(event: dict[str, str]) -> tuple[int, int]:
    attempt, _, seq = event["id"].rpartition(":")[2].partition(".")
    return int(attempt), int(seq)


class TestOneJob:
    def test_tells_a_job_from_start_to_end(self, server: LiveServer) -> None:
        server.client.post("/api/queue/pause")
        job_id = server.submit(num_images=2, steps=3, delay=0.05)
        with server.open(f"/api/sse/{job_id}") as stream:
            assert stream.status == 200
            assert stream.headers["content-type"].startswith("text/event-stream")
            assert stream.headers["cache-control"] == "no-store"
            assert stream.headers["x-accel-buffering"] == "no"
            first = stream.next()
            server.client.post("/api/queue/resume")
            events = [first, *stream.events()]
        assert all(list(event) == ["id", "data"] for event in events)
        revisions = [revision(event) for event in events]
        assert revisions == sorted(set(revisions))
        snapshots = [json.loads(event["data"]) for event in events]
        assert (snapshots[0]["status"], snapshots[0]["queue_position"]) == ("queued", 1)
        assert [s["status"] for s in snapshots if s["status"] == "processing"]
        assert [s["status"] for s in snapshots[:-1]].count("completed") == 0
        assert snapshots[-1]["status"] == "completed"
        for event, snapshot in zip(events, snapshots, strict=True):
            assert event["id"] == f"{snapshot['attempt']}.{snapshot['seq']}"
        within = [s["progress"] for s in snapshots if s["attempt"] == 1]
        assert within == sorted(within)

    def test_a_snapshot_is_what_polling_shows(self, server: LiveServer) -> None:
        job = server.made(num_images=2)
        with server.open(f"/api/sse/{job['job_id']}") as stream:
            [event] = stream.events()
        params = job.pop("params")
        assert json.loads(event["data"]) == job
        assert params["num_images"] == 2

    def test_an_unknown_job_is_refused_before_the_stream_opens(self, server: LiveServer) -> None:
        for name in ("20260101_000000_00000000", "unknown"):
            answer = server.client.get(f"/api/sse/{name}")
            assert answer.status_code == 404
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["code"] == "job_not_found"

    def test_a_late_subscriber_gets_the_present_at_once(self, server: LiveServer) -> None:
        job_id = server.submit(steps=40, delay=0.02)
        until(lambda: (server.snapshot(job_id)["step"] or 0) >= 3)
        with server.open(f"/api/sse/{job_id}", Last_Event_ID="1.1") as stream:
            snapshots = stream.data()
        assert snapshots[0]["step"] >= 3
        assert snapshots[-1]["status"] == "completed"

    @pytest.mark.parametrize("seen", ["1.1", "0.0", "9.9", "garbage", "", "42"])
    def test_an_ended_job_shows_its_end_once(self, server: LiveServer, seen: str) -> None:
        job = server.made()
        with server.open(f"/api/sse/{job['job_id']}", Last_Event_ID=seen) as stream:
            [snapshot] = stream.data()
        assert snapshot["status"] == "completed"

    def test_who_has_seen_the_end_gets_204(self, server: LiveServer) -> None:
        job = server.made()
        with server.open(f"/api/sse/{job['job_id']}") as stream:
            [event] = stream.events()
        url = f"/api/sse/{job['job_id']}"
        by_header = server.client.get(url, headers={"Last-Event-ID": event["id"]})
        by_query = server.client.get(url, params={"last_event_id": event["id"]})
        assert (by_header.status_code, by_header.content) == (204, b"")
        assert by_query.status_code == 204

    def test_failed_and_cancelled_jobs_end_too(self, server: LiveServer) -> None:
        failing = server.submit("raise", delay=0.05)
        with server.open(f"/api/sse/{failing}") as stream:
            assert stream.data()[-1]["error"]["code"] == "generation_failed"
        running = server.submit(steps=100, delay=0.02)
        with server.open(f"/api/sse/{running}") as stream:
            stream.next()
            server.client.post(f"/api/jobs/{running}/cancel")
            assert stream.data()[-1]["status"] == "cancelled"

    def test_a_deleted_job_ends(self, server: LiveServer) -> None:
        job_id = server.submit(steps=100, delay=0.02)
        with server.open(f"/api/sse/{job_id}") as stream:
            stream.next()
            assert server.client.delete(f"/api/jobs/{job_id}").status_code == 204
            assert stream.data()[-1]["status"] == "cancelled"

    async def test_two_hundred_subscribers_all_see_the_end(self, server: LiveServer) -> None:
        job_id = await asyncio.to_thread(server.submit, steps=30, delay=0.1)
        stuck = server.open(f"/api/sse/{job_id}")  # reads nothing until all others are done
        ends = await asyncio.gather(*(_last_event(server.port, job_id) for _ in range(200)))
        assert len(set(ends)) == 1
        assert json.loads(ends[0].partition("data: ")[2])["status"] == "completed"
        with stuck:
            assert (await asyncio.to_thread(stuck.data))[-1]["status"] == "completed"
        until(lambda: server.app.state.streams.open == 0)


class TestAllJobs:
    def test_tells_of_every_live_job(self, server: LiveServer) -> None:
        with server.open("/api/sse/jobs", Last_Event_ID="x:1.1") as stream:
            jobs = {server.submit(delay=0.02) for _ in range(2)}
            ended: set[str] = set()
            while ended < jobs:
                event = stream.next()
                snapshot = json.loads(event["data"])
                assert list(event) == ["id", "data"]
                expected = f"{snapshot['job_id']}:{snapshot['attempt']}.{snapshot['seq']}"
                assert event["id"] == expected
                if snapshot["status"] == "completed":
                    ended.add(snapshot["job_id"])
        assert ended == jobs

    def test_begins_with_the_jobs_that_live(self, server: LiveServer) -> None:
        server.client.post("/api/queue/pause")
        job_id = server.submit()
        with server.open("/api/sse/jobs") as stream:
            assert json.loads(stream.next()["data"])["job_id"] == job_id
        server.client.post("/api/queue/resume")
        server.finish(job_id)


class TestGallery:
    def test_shows_new_images_only(self, server: LiveServer) -> None:
        server.made()
        with server.open("/api/sse/gallery") as stream:
            job = server.made(num_images=2)
            events = [stream.next(), stream.next()]
        assert [json.loads(event["data"]) for event in events] == job["images"]
        assert [event["id"] for event in events] == [str(i["id"]) for i in job["images"]]
        assert all(list(event) == ["id", "data"] for event in events)
        listed = server.client.get("/api/images?limit=2").json()["images"]
        assert [json.loads(event["data"]) for event in events] == listed[::-1]

    @pytest.mark.parametrize("way", ["header", "query"])
    def test_replays_what_was_missed(self, server: LiveServer, way: str) -> None:
        images = server.made(num_images=3)["images"]
        seen = str(images[0]["id"])
        if way == "header":
            stream = server.open("/api/sse/gallery", Last_Event_ID=seen)
        else:
            stream = server.open(f"/api/sse/gallery?last_event_id={seen}")
        with stream:
            missed = [stream.next(), stream.next()]
        assert [json.loads(event["data"]) for event in missed] == images[1:]

    @pytest.mark.parametrize("seen", ["garbage", "-1", "1.5", "", "9" * 30, "٣"])
    def test_an_id_that_is_none_counts_as_absent(self, server: LiveServer, seen: str) -> None:
        server.made()
        with server.open("/api/sse/gallery", Last_Event_ID=seen) as stream:
            image = server.made()["images"][0]
            assert json.loads(stream.next()["data"])["id"] == image["id"]

    def test_one_image_follows_the_moment_of_connecting(self, server: LiveServer) -> None:
        for _ in range(5):
            with server.open("/api/sse/gallery") as stream:
                image = server.made(steps=1)["images"][0]
                assert json.loads(stream.next()["data"])["id"] == image["id"]


class TestLimits:
    def test_more_streams_than_allowed_are_refused(self, tmp_path: Path) -> None:
        with live_server(tmp_path, max_streams=2) as server:
            first, second = server.open("/api/sse/jobs"), server.open("/api/sse/gallery")
            refused = server.client.get("/api/sse/jobs")
            assert refused.status_code == 503
            assert refused.json()["code"] == "too_many_streams"
            assert int(refused.headers["retry-after"]) > 0
            with first, second:
                pass
            until(lambda: server.app.state.streams.open == 0)
            with server.open("/api/sse/jobs") as stream:
                assert stream.status == 200

    def test_streams_end_with_the_server(self, tmp_path: Path) -> None:
        with live_server(tmp_path) as server:
            streams = [server.open(path) for path in ("/api/sse/jobs", "/api/sse/gallery")]
        ends: list[Any] = [stream.data() for stream in streams]
        assert ends == [[], []]
        for stream in streams:
            stream.__exit__()


async def _last_event(port: int, job_id: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    writer.write(f"GET /api/sse/{job_id} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode())
    last = ""
    while True:
        text = (await reader.readuntil(b"\r\n\r\n")).decode()
        if "id: " in text:
            last = text[text.index("id: ") :]
        if '"status":"completed"' in text:
            writer.close()
            await writer.wait_closed()
            return last
