"""Every error that the API's documentation names, by a real condition, in the one shape."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.dialects.krea.asking import SMALL, Address, failure, on_main_port
from tests.serving import LiveServer, live_server, until

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"prompt": "x" * 1001}, "prompt"),
        ({"steps": 19}, "steps"),
        ({"steps": 51}, "steps"),
        ({"cfg_scale": 0.9}, "cfg_scale"),
        ({"cfg_scale": 10.1}, "cfg_scale"),
        ({"cfg_guidance": 11}, "cfg_guidance"),
        ({"seed": -2}, "seed"),
        ({"width": 504}, "width"),
        ({"width": 2056}, "width"),
        ({"width": 1020}, "width"),
        ({"height": 504}, "height"),
        ({"height": 2056}, "height"),
        ({"height": 1020}, "height"),
    ],
)
def test_values_out_of_their_range_are_400(main: Address, wrong: dict[str, Any], word: str) -> None:
    answer = main.generate({**SMALL, **wrong})
    assert failure(answer, 400).startswith(f"{word}: ")


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({}, "prompt"),
        ({"steps": 19}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({**SMALL, "steps": "30"}, "steps"),
        ({**SMALL, "steps": 30.5}, "steps"),
        ({**SMALL, "seed": True}, "seed"),
        ({**SMALL, "cfg_scale": None}, "cfg_scale"),
    ],
)
def test_what_is_missing_or_of_another_type_is_422(
    main: Address, body: dict[str, Any], word: str
) -> None:
    assert f"{word}: " in failure(main.generate(body), 422)


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("POST", "/generate", b'{"prompt": "x"', 400),
        ("POST", "/generate", b"", 400),
        ("POST", "/generate", b'["x"]', 400),
        ("POST", "/generate", b"[" * 9999, 400),
        ("POST", "/generate", b'{"prompt": "\xff"}', 400),
        ("POST", "/generate", b'{"prompt": "\\ud800"}', 400),
        ("POST", "/generate", b" " * (2**20 + 1), 413),
        ("GET", "/generate", None, 405),
        ("POST", "/health", b"{}", 405),
        ("GET", "/elsewhere", None, 404),
        ("GET", "/ws", None, 404),
    ],
)
def test_requests_that_cannot_be_understood(
    api: Address, method: str, path: str, content: bytes | None, status: int
) -> None:
    answer = api.client.request(method, api.url + path, content=content, headers=JSON)
    assert failure(answer, status)
    assert ("allow" in answer.headers) == (status == 405)


def test_a_body_that_is_no_json(api: Address) -> None:
    answer = api.client.post(f"{api.url}/generate", data={"prompt": "x"})
    assert "Content-Type: application/json" in failure(answer, 415)


def test_a_page_of_another_origin(main: Address) -> None:
    headers = {"Origin": "https://elsewhere.example"}
    assert "https://elsewhere.example" in failure(main.generate(SMALL, **headers), 403)


def test_other_paths_of_the_main_port_are_not_its_own(server: LiveServer) -> None:
    for path in ("/kreative", "/generate"):
        answer = server.client.post(path, json=SMALL)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_generation_that_fails_is_500(main: Address) -> None:
    answer = main.generate({**SMALL, "prompt": "raise"})
    assert failure(answer, 500) == "RuntimeError: asked to raise"


def test_memory_that_is_full_is_503(main: Address) -> None:
    answer = main.generate({**SMALL, "prompt": "out of memory"})
    assert "memory did not suffice" in failure(answer, 503)
    assert int(answer.headers["retry-after"]) > 0


def test_a_generation_that_is_cancelled_is_500(main: Address, slowly: LiveServer) -> None:
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(main.generate, SMALL)
        until(lambda: job(slowly)["status"] == "processing")
        slowly.client.post(f"/api/jobs/{job(slowly)['job_id']}/cancel")
        assert failure(asked.result(), 500) == "The generation was cancelled."


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with a short queue, which does not move, and no patience."""
    with live_server(
        tmp_path_factory.mktemp("narrow"), max_queued=1, on_start="pause", generation_timeout=0.2
    ) as running:
        yield running


def test_a_full_queue_is_503_and_unhealthy(narrow: LiveServer) -> None:
    waiting = narrow.submit("red")
    answer = on_main_port(narrow).generate(SMALL)
    assert "max_queued" in failure(answer, 503)
    assert int(answer.headers["retry-after"]) > 0
    assert narrow.client.get("/krea/health").json()["status"] == "unhealthy"
    assert narrow.client.delete(f"/api/jobs/{waiting}").status_code == 204
    assert narrow.client.get("/krea/health").json()["status"] == "healthy"


def test_a_request_that_takes_too_long_is_told_so_and_dropped(narrow: LiveServer) -> None:
    answer = on_main_port(narrow).generate(SMALL)
    assert "generation_timeout" in failure(answer, 504)
    assert answer.json()["duration"] >= 0.2, "the time since the request began"
    assert job(narrow)["status"] == "cancelled"


def job(server: LiveServer) -> dict[str, Any]:
    """The newest job."""
    answer: httpx.Response = server.client.get("/api/jobs", params={"limit": 1})
    return next(iter(answer.json()["jobs"]), {"status": "none"})
