"""The native API over real HTTP: exact statuses, headers and fields."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from PIL import Image

from tests.serving import LiveServer, live_server, until

PROBLEM_FIELDS = {"type", "title", "status", "detail", "code"}
IMAGE_FIELDS = {
    "id", "filename", "url", "thumb_url", "width", "height", "created_at", "job_id", "index",
    "model", "seconds", "size", "prompt", "negative_prompt", "steps", "cfg_scale", "sampler",
    "seed", "delay",
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture(scope="module")
def made(server: LiveServer) -> dict[str, Any]:
    """A finished job of two images."""
    return server.made("red house", num_images=2, seed=7, width=96)


@pytest.fixture
def paused(server: LiveServer) -> Iterator[LiveServer]:
    server.client.post("/api/queue/pause")
    yield server
    server.client.post("/api/queue/resume")


def conform(server: LiveServer, shape: str, value: Any) -> None:
    """Check a value against a schema of the server's own OpenAPI document."""
    document = server.client.get("/openapi.json").json()
    schema = {"$ref": f"#/components/schemas/{shape}", "components": document["components"]}
    Draft202012Validator(schema).validate(value)


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is this error, in the one shape."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body.keys() >= PROBLEM_FIELDS
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"] == f"/docs/errors#{code}"
    return body


def raw(server: LiveServer, request: bytes) -> bytes:
    """Send bytes as they are and read the whole answer."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(request)
        answer = b""
        while received := connection.recv(65536):
            answer += received
    return answer


class TestInfo:
    def test_describes_the_current_model(self, server: LiveServer) -> None:
        info = server.client.get("/api/info").json()
        assert list(info) == [
            "name", "version", "model", "model_name", "training_resolution", "output_format",
            "parameter_schema", "capabilities", "loras", "available_loras", "models", "plugins",
        ]  # fmt: skip
        assert (info["model"], info["model_name"]) == ("colours", "Colours")
        assert (info["training_resolution"], info["output_format"]) == (64, "png")
        assert info["capabilities"] == ["negative_prompt"]
        assert info["loras"] == info["available_loras"] == []
        conform(server, "Info", info)

    def test_publishes_a_closed_schema_with_an_optional_model(self, server: LiveServer) -> None:
        schema = server.client.get("/api/info").json()["parameter_schema"]
        Draft202012Validator.check_schema(schema)
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        assert schema["additionalProperties"] is False
        assert schema["properties"]["model"]["const"] == "colours"
        assert schema["required"] == ["prompt"]

    def test_names_models_and_plugins(self, server: LiveServer) -> None:
        info = server.client.get("/api/info").json()
        models = {model["id"]: model for model in info["models"]}
        assert models["colours"]["parameter_schema_url"] == "/api/models/colours/schema"
        assert models["colours"]["family"] == "colours"
        plugins = {plugin["name"]: plugin for plugin in info["plugins"]}
        assert plugins["colours"] == {
            "name": "colours", "version": "1.2.3", "ok": True, "error": None, "warnings": [],
        }  # fmt: skip

    @pytest.mark.parametrize("name", ["colours-four-step", "colors"])
    def test_describes_another_model_by_id_or_alias(self, server: LiveServer, name: str) -> None:
        info = server.client.get("/api/info", params={"model": name}).json()
        url = f"/api/models/{name}/schema"
        assert info["model"] == {"colors": "colours"}.get(name, name)
        assert server.client.get(url).json() == info["parameter_schema"]

    def test_knows_no_other_model(self, server: LiveServer) -> None:
        answer = server.client.get("/api/info?model=colour")
        assert "`colours`" in problem(answer, 404, "model_not_found")["detail"]


class TestGenerate:
    def test_accepts_a_job(self, paused: LiveServer) -> None:
        answer = paused.client.post("/api/generate", json={"prompt": "red", "clip_skip": 2})
        body = answer.json()
        assert answer.status_code == 202
        job_id = body["job_id"]
        assert body == {
            "job_id": job_id,
            "status": "queued",
            "queue_position": 1,
            "sse_url": f"/api/sse/{job_id}",
            "job_url": f"/api/jobs/{job_id}",
            "warnings": ["`clip_skip` is not used by colours and was ignored."],
        }
        conform(paused, "Accepted", body)
        paused.client.delete(body["job_url"])

    def test_makes_the_image(self, server: LiveServer, made: dict[str, Any]) -> None:
        assert made["status"] == "completed"
        assert [image["index"] for image in made["images"]] == [0, 1]
        assert [image["seed"] for image in made["images"]] == [7, 8]
        content = server.client.get(made["images"][0]["url"]).content
        picture = Image.open(io.BytesIO(content))
        assert (picture.format, picture.size) == ("PNG", (96, 64))
        assert picture.getpixel((0, 0)) == (200, 30, 30)

    def test_dry_run_tells_what_would_run_and_runs_nothing(self, server: LiveServer) -> None:
        before = server.client.get("/api/jobs?limit=1").json()
        body = {"prompt": "red", "num_inference_steps": 3}
        answer = server.client.post("/api/generate?dry_run=true", json=body)
        plan = answer.json()
        assert answer.status_code == 200
        conform(server, "Plan", plan)
        assert (plan["model"], plan["params"]["steps"], plan["params"]["seed"]) == (
            "colours", 3, None,
        )  # fmt: skip
        assert server.client.get("/api/jobs?limit=1").json() == before

    def test_a_retry_with_the_same_key_is_the_first_job(self, server: LiveServer) -> None:
        headers = {"Idempotency-Key": "once"}
        first, again = (
            server.client.post("/api/generate", json={"prompt": "red"}, headers=headers)
            for _ in range(2)
        )
        assert first.status_code == again.status_code == 202
        assert first.json()["job_id"] == again.json()["job_id"]
        other = server.client.post("/api/generate", json={"prompt": "blue"}, headers=headers)
        problem(other, 422, "idempotency_conflict")

    def test_an_empty_key_is_none(self, server: LiveServer) -> None:
        headers = {"Idempotency-Key": ""}
        ids = {
            server.client.post("/api/generate", json={"prompt": "red"}, headers=headers).json()[
                "job_id"
            ]
            for _ in range(2)
        }
        assert len(ids) == 2

    def test_refuses_parameters_with_one_entry_per_problem(self, server: LiveServer) -> None:
        body = {"prompt": "", "width": 65, "promt": "x", "loras": [{"id": "a"}]}
        found = problem(server.client.post("/api/generate", json=body), 422, "invalid_parameters")
        assert {tuple(error["loc"]) for error in found["errors"]} == {
            ("prompt",), ("width",), ("promt",), ("loras",),
        }  # fmt: skip
        assert all(error.keys() == {"loc", "msg", "type"} for error in found["errors"])
        assert "`prompt`" in next(e["msg"] for e in found["errors"] if e["loc"] == ["promt"])
        conform(server, "Problem", found)

    @pytest.mark.parametrize(
        "body",
        [
            b"", b"{", b"null", b"[]", b'"red"', b"\xff\xfe", b'{"prompt": "\xff"}',
            b'{"prompt": NaN}', b'{"seed": Infinity, "prompt": "a"}', b'{"prompt": "\\ud800"}',
            b'{"\\ud800": 1, "prompt": "a"}', b"[" * 100_000, b'{"a":' * 40 + b"1" + b"}" * 40,
            b'{"prompt": "a", "seed": ' + b"9" * 5000 + b"}", "{}".encode("utf-16"),
        ],
    )  # fmt: skip
    def test_refuses_what_is_not_a_json_object(self, server: LiveServer, body: bytes) -> None:
        headers = {"Content-Type": "application/json"}
        answer = server.client.post("/api/generate", content=body, headers=headers)
        problem(answer, 400, "malformed_request")

    @pytest.mark.parametrize(
        "body", [b'{"prompt":"a","prompt":"b"}', b'\xef\xbb\xbf{"prompt":"b"}']
    )
    def test_accepts_repeated_names_and_a_byte_order_mark(
        self, server: LiveServer, body: bytes
    ) -> None:
        answer = server.client.post("/api/generate?dry_run=1", content=body)
        assert answer.json()["params"]["prompt"] == "b"

    @pytest.mark.parametrize("seed", ["1e999", "-1", "1.5", "9007199254740992", "[1]"])
    def test_refuses_impossible_numbers(self, server: LiveServer, seed: str) -> None:
        body = f'{{"prompt": "a", "seed": {seed}}}'
        answer = server.client.post("/api/generate?dry_run=true", content=body)
        problem(answer, 422, "invalid_parameters")

    def test_refuses_other_media_types(self, server: LiveServer) -> None:
        answer = server.client.post("/api/generate", data={"prompt": "red"})
        problem(answer, 415, "unsupported_media_type")

    def test_refuses_a_dry_run_that_is_neither(self, server: LiveServer) -> None:
        answer = server.client.post("/api/generate?dry_run=perhaps", json={"prompt": "red"})
        assert problem(answer, 422, "invalid_parameters")["errors"][0]["loc"] == [
            "query", "dry_run",
        ]  # fmt: skip

    def test_refuses_large_bodies(self, server: LiveServer) -> None:
        body = b'{"prompt": "' + b"a" * 1024 * 1024 + b'"}'
        answer = server.client.post("/api/generate", content=body)
        problem(answer, 413, "body_too_large")

    def test_refuses_large_bodies_in_chunks(self, server: LiveServer) -> None:
        chunks = (b"a" * 65536 for _ in range(20))
        answer = server.client.post("/api/generate", content=chunks)
        problem(answer, 413, "body_too_large")

    def test_a_full_queue_says_when_to_come_back(self, server: LiveServer, tmp_path: Any) -> None:
        with live_server(tmp_path, max_queued=1, on_start="pause") as full:
            full.submit()
            answer = full.client.post("/api/generate", json={"prompt": "red"})
            problem(answer, 503, "queue_full")
            assert int(answer.headers["retry-after"]) > 0

    @settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
    @given(body=st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode()))
    def test_no_bytes_are_the_servers_fault(self, server: LiveServer, body: bytes) -> None:
        answer = server.client.post("/api/generate?dry_run=true", content=body)
        assert answer.status_code in (200, 400, 422)

    @settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        body=st.dictionaries(
            st.sampled_from(["prompt", "model", "seed", "width", "loras", "other", ""]),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
                | st.text(max_size=20),
                lambda inner: st.lists(inner, max_size=3)
                | st.dictionaries(st.text(max_size=5), inner, max_size=3),
                max_leaves=5,
            ),
        )
    )  # fmt: skip
    def test_no_object_is_the_servers_fault(self, server: LiveServer, body: dict[str, Any]) -> None:
        answer = server.client.post("/api/generate?dry_run=true", json=body)
        assert answer.status_code in (200, 422)


class TestJobs:
    def test_shows_a_snapshot_with_parameters(
        self, server: LiveServer, made: dict[str, Any]
    ) -> None:
        conform(server, "JobDetail", made)
        assert made["params"]["seed"] == 7
        assert made["params"]["num_images"] == 2
        assert (made["progress"], made["phase"], made["error"]) == (1.0, None, None)
        assert (made["queue_position"], made["preview"]) == (None, None)

    def test_a_drawn_seed_is_part_of_the_parameters(self, server: LiveServer) -> None:
        job = server.made("red", seed=None)
        assert job["params"]["seed"] == job["images"][0]["seed"] >= 0

    def test_an_unknown_job(self, server: LiveServer) -> None:
        for name in ("20260101_000000_00000000", "x", "%00", "..%2f..", "%zz%ff", "ß"):
            for method, path in [("GET", ""), ("POST", "/cancel"), ("DELETE", "")]:
                answer = server.client.request(method, f"/api/jobs/{name}{path}")
                assert answer.status_code == 404
                assert answer.json()["code"] in ("job_not_found", "not_found")

    def test_lists_pages_newest_first(self, server: LiveServer) -> None:
        submitted = [server.submit() for _ in range(3)]
        first = server.client.get("/api/jobs?limit=2").json()
        second = server.client.get(
            "/api/jobs", params={"limit": 1, "cursor": first["next_cursor"]}
        ).json()
        listed = [job["job_id"] for job in first["jobs"] + second["jobs"]]
        assert listed == submitted[::-1]
        conform(server, "JobPage", first)

    @pytest.mark.parametrize(("limit", "count"), [("0", 1), ("-5", 1), ("9" * 30, None)])
    def test_clamps_the_limit(
        self, server: LiveServer, made: dict[str, Any], limit: str, count: int | None
    ) -> None:
        for path, things in [("/api/jobs", "jobs"), ("/api/images", "images")]:
            answer = server.client.get(path, params={"limit": limit})
            assert answer.status_code == 200
            assert count is None or len(answer.json()[things]) == count

    def test_filters_by_status(self, paused: LiveServer) -> None:
        job_id = paused.submit()
        queued = paused.client.get("/api/jobs?status=queued").json()["jobs"]
        assert [job["job_id"] for job in queued] == [job_id]
        assert queued[0]["queue_position"] == 1
        problem(paused.client.get("/api/jobs?status=lost"), 422, "invalid_parameters")
        paused.client.delete(f"/api/jobs/{job_id}")

    def test_cancels_once(self, paused: LiveServer) -> None:
        job_id = paused.submit()
        answer = paused.client.post(f"/api/jobs/{job_id}/cancel")
        assert answer.status_code == 200
        conform(paused, "Snapshot", answer.json())
        assert (answer.json()["job_id"], answer.json()["status"]) == (job_id, "cancelled")
        problem(paused.client.post(f"/api/jobs/{job_id}/cancel"), 409, "job_already_ended")

    def test_cancels_a_running_job(self, server: LiveServer) -> None:
        job_id = server.submit(steps=100, delay=0.02)
        until(lambda: (server.snapshot(job_id)["step"] or 0) > 1)
        answer = server.client.post(f"/api/jobs/{job_id}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
        assert answer.json()["progress"] < 1

    def test_deletes(self, paused: LiveServer) -> None:
        job_id = paused.submit()
        answer = paused.client.delete(f"/api/jobs/{job_id}")
        assert (answer.status_code, answer.content) == (204, b"")
        problem(paused.client.get(f"/api/jobs/{job_id}"), 404, "job_not_found")
        problem(paused.client.delete(f"/api/jobs/{job_id}"), 404, "job_not_found")

    def test_a_failed_job_says_why(self, server: LiveServer) -> None:
        job = server.made("raise")
        assert job["status"] == "failed"
        assert job["error"]["code"] == "generation_failed"
        assert "asked to raise" in job["error"]["message"]
        conform(server, "JobDetail", job)


class TestQueue:
    def test_pauses_and_resumes(self, server: LiveServer) -> None:
        until(lambda: server.client.get("/api/queue").json()["running"] == 0)
        paused = server.client.post("/api/queue/pause").json()
        assert list(paused) == [
            "paused", "pending", "running", "completed", "failed", "cancelled",
        ]  # fmt: skip
        assert paused["paused"] is True
        conform(server, "Queue", paused)
        jobs = [server.submit() for _ in range(2)]
        assert [server.snapshot(job)["queue_position"] for job in jobs] == [1, 2]
        assert server.client.get("/api/queue").json()["pending"] == 2
        resumed = server.client.post("/api/queue/resume").json()
        assert resumed["paused"] is False
        assert [server.finish(job)["status"] for job in jobs] == ["completed"] * 2


class TestModels:
    def test_lists_them(self, server: LiveServer) -> None:
        body = server.client.get("/api/models").json()
        conform(server, "ModelList", body)
        assert [model["id"] for model in body["models"] if model["current"]] == ["colours"]

    def test_load_changes_the_current_model(self, server: LiveServer) -> None:
        answer = server.client.post("/api/models/colours-four-step/load")
        assert answer.status_code == 202
        conform(server, "Model", answer.json())
        assert answer.json()["current"] is True
        assert server.client.get("/api/info").json()["model"] == "colours-four-step"
        assert server.made("red")["model"] == "colours-four-step"
        server.client.post("/api/models/colors/load")
        assert server.client.get("/api/info").json()["model"] == "colours"

    def test_unload_frees_the_model_and_stays_current(self, server: LiveServer) -> None:
        server.made("red")
        answer = server.client.post("/api/models/colours/unload")
        assert (answer.status_code, answer.json()["current"]) == (202, True)

        def state() -> str:
            models = server.client.get("/api/models").json()["models"]
            return next(model["state"] for model in models if model["id"] == "colours")

        until(lambda: state() == "on_disk")

    @pytest.mark.parametrize("action", ["load", "unload"])
    def test_an_unknown_model(self, server: LiveServer, action: str) -> None:
        answer = server.client.post(f"/api/models/nobody/{action}")
        problem(answer, 404, "model_not_found")


class TestGallery:
    def test_lists_images_with_their_recipes(
        self, server: LiveServer, made: dict[str, Any]
    ) -> None:
        page = server.client.get("/api/images", params={"q": "house"}).json()
        conform(server, "ImagePage", page)
        assert page["images"] == made["images"][::-1]
        assert (page["total"], page["limit"], page["offset"]) == (2, 50, 0)
        assert page["next_cursor"] is None
        image = page["images"][1]
        assert image.keys() >= IMAGE_FIELDS
        assert image["filename"] == f"{made['job_id']}_0.png"
        assert image["url"] == f"/api/images/{image['filename']}"
        assert image["thumb_url"] == f"/api/thumbs/{image['filename']}"

    def test_pages_by_cursor_and_offset(self, server: LiveServer, made: dict[str, Any]) -> None:
        everything = server.client.get("/api/images").json()["images"]
        first = server.client.get("/api/images?limit=1").json()
        by_cursor = server.client.get(
            "/api/images", params={"limit": 1, "cursor": first["next_cursor"]}
        ).json()
        by_offset = server.client.get("/api/images?limit=1&offset=1").json()
        assert by_cursor["images"] == by_offset["images"] == everything[1:2]
        assert server.client.get(f"/api/images?offset={'9' * 30}").json()["images"] == []
        problem(server.client.get("/api/images?offset=-1"), 422, "invalid_parameters")

    def test_filters_by_model_and_adapter(self, server: LiveServer, made: dict[str, Any]) -> None:
        names = {
            image["model"]
            for image in server.client.get("/api/images?model=colors").json()["images"]
        }
        assert names == {"colours"}
        assert server.client.get("/api/images?lora=nobody").json()["total"] == 0

    @pytest.mark.parametrize(
        ("kind", "format_"), [("url", "PNG"), ("thumb_url", "WEBP")], ids=["image", "thumbnail"]
    )
    def test_serves_files_for_good(
        self, server: LiveServer, made: dict[str, Any], kind: str, format_: str
    ) -> None:
        url = made["images"][0][kind]
        answer = server.client.get(url)
        assert answer.headers["content-type"] == f"image/{format_.lower()}"
        assert Image.open(io.BytesIO(answer.content)).format == format_
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"
        head = server.client.head(url)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(answer.content))
        assert head.headers["etag"] == answer.headers["etag"]

    def test_a_thumbnail_is_half_as_large(self, server: LiveServer, made: dict[str, Any]) -> None:
        answer = server.client.get(made["images"][0]["thumb_url"])
        assert Image.open(io.BytesIO(answer.content)).size == (48, 32)

    @pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
    def test_a_known_file_is_not_sent_again(
        self, server: LiveServer, made: dict[str, Any], form: str
    ) -> None:
        url = made["images"][0]["url"]
        etag = server.client.get(url).headers["etag"]
        answer = server.client.get(url, headers={"If-None-Match": form.format(etag)})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == etag
        assert "immutable" in answer.headers["cache-control"]

    def test_another_file_is_sent(self, server: LiveServer, made: dict[str, Any]) -> None:
        url = made["images"][0]["url"]
        assert server.client.get(url, headers={"If-None-Match": '"x"'}).status_code == 200

    @pytest.mark.parametrize(
        ("wanted", "part"),
        [
            ("bytes=0-9", slice(0, 10)),
            ("bytes=10-", slice(10, None)),
            ("bytes=-10", slice(-10, None)),
            ("BYTES=5-99999999", slice(5, None)),
        ],
    )
    def test_serves_a_range(
        self, server: LiveServer, made: dict[str, Any], wanted: str, part: slice
    ) -> None:
        url = made["images"][0]["url"]
        whole = server.client.get(url).content
        answer = server.client.get(url, headers={"Range": wanted})
        assert (answer.status_code, answer.content) == (206, whole[part])
        start, stop, _ = part.indices(len(whole))
        expected = f"bytes {start}-{stop - 1}/{len(whole)}"
        assert answer.headers["content-range"] == expected

    @pytest.mark.parametrize(
        "wanted", ["bytes=9-2", "bytes=", "bytes=-", "lines=1-2", "bytes=a-b", "bytes=0-1,5-6", "x",
                   f"bytes={'9' * 5000}-"]
    )  # fmt: skip
    def test_ignores_a_range_that_makes_no_sense(
        self, server: LiveServer, made: dict[str, Any], wanted: str
    ) -> None:
        answer = server.client.get(made["images"][0]["url"], headers={"Range": wanted})
        assert answer.status_code == 200

    @pytest.mark.parametrize("wanted", ["bytes=9999999-", "bytes=-0"])
    def test_refuses_a_range_beyond_the_end(
        self, server: LiveServer, made: dict[str, Any], wanted: str
    ) -> None:
        url = made["images"][0]["url"]
        size = len(server.client.get(url).content)
        answer = server.client.get(url, headers={"Range": wanted})
        problem(answer, 416, "range_not_satisfiable")
        assert answer.headers["content-range"] == f"bytes */{size}"

    @pytest.mark.parametrize(
        "name", ["nobody.png", "..%2f..%2fdarkroom.db", "%2e%2e%2fdarkroom.db", "%00.png", "%ff"]
    )
    def test_serves_nothing_else(self, server: LiveServer, made: dict[str, Any], name: str) -> None:
        for folder in ("images", "thumbs"):
            answer = server.client.get(f"/api/{folder}/{name}")
            assert answer.status_code == 404
            assert answer.json()["code"] in ("image_not_found", "not_found")

    def test_deletes_an_image_and_keeps_its_job(self, server: LiveServer) -> None:
        job = server.made("green")
        image = job["images"][0]
        assert server.client.delete(image["url"]).status_code == 204
        problem(server.client.get(image["url"]), 404, "image_not_found")
        problem(server.client.get(image["thumb_url"]), 404, "image_not_found")
        problem(server.client.delete(image["url"]), 404, "image_not_found")
        assert server.snapshot(job["job_id"])["status"] == "completed"


class TestFrame:
    """What arises outside of the routes."""

    def test_an_unknown_path_explains_itself_to_every_client(self, server: LiveServer) -> None:
        body = problem(server.client.get("/v9/nothing"), 404, "not_found")
        assert all(isinstance(body[word], str) for word in ("message", "error", "detail"))

    @pytest.mark.parametrize(
        ("method", "path", "allow"),
        [
            ("PUT", "/api/jobs/x", "GET, DELETE"),
            ("GET", "/api/generate", "POST"),
            ("POST", "/api/images/x", "GET, HEAD, DELETE"),
        ],
    )
    def test_a_wrong_method_names_the_right_ones(
        self, server: LiveServer, method: str, path: str, allow: str
    ) -> None:
        answer = server.client.request(method, path)
        problem(answer, 405, "method_not_allowed")
        assert answer.headers["allow"] == allow

    def test_a_foreign_host(self, server: LiveServer) -> None:
        answer = server.client.get("/api/info", headers={"Host": "rebound.example"})
        problem(answer, 403, "foreign_host")

    def test_a_foreign_origin_may_read_and_not_change(self, server: LiveServer) -> None:
        headers = {"Origin": "http://elsewhere.example"}
        assert server.client.get("/api/queue", headers=headers).status_code == 200
        problem(server.client.post("/api/queue/pause", headers=headers), 403, "foreign_origin")
        assert server.client.get("/api/queue").json()["paused"] is False

    def test_an_own_origin_may_change(self, server: LiveServer) -> None:
        headers = {"Origin": f"http://127.0.0.1:{server.port}"}
        assert server.client.post("/api/queue/resume", headers=headers).status_code == 200

    def test_invalid_escapes_and_bytes_in_a_path(self, server: LiveServer) -> None:
        host = f"Host: 127.0.0.1:{server.port}\r\nConnection: close\r\n\r\n".encode()
        for path in (b"/api/jobs/%zz", b"/api/images/%", b"/api/jobs?cursor=%ff%00&limit=%31"):
            answer = raw(server, b"GET " + path + b" HTTP/1.1\r\n" + host)
            assert answer.split()[1] in (b"200", b"404")

    def test_health(self, server: LiveServer) -> None:
        answer = server.client.get("/health")
        assert answer.json()["status"] == "ok"
        conform(server, "Health", answer.json())
        assert server.client.head("/health").status_code == 200

    def test_what_goes_wrong_inside_stays_inside(
        self, server: LiveServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail() -> None:
            raise RuntimeError("the secret")

        monkeypatch.setattr(server.service, "queue", fail)
        answer = server.client.get("/api/queue")
        body = problem(answer, 500, "internal_error")
        assert "secret" not in answer.text
        assert body["detail"]
