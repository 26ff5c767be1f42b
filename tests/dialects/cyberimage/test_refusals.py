"""What is refused is refused in the API's shape, and loses nothing."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from server.callers import Scope, Tier
from tests.dialects.cyberimage import document
from tests.dialects.cyberimage.asking import ALIASES, SMALL, ended, get, made, picture, post, unlike
from tests.serving import LiveServer, live_server
from tests.support import PLUGINS

DIALECT = {"aliases": ALIASES, "rate_limit": False}

#: A model whose jobs take a while.
SLOW = {"id": "slow", "family": "colours", "source": str(PLUGINS), "defaults": {"delay": 0.2}}

BODY = {"model_id": "flux-1", "prompt": "red", "settings": SMALL}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    listen = [{"dialect": "cyberimage", "port": 0}]
    with live_server(
        tmp_path_factory.mktemp("data"),
        dialects={"cyberimage": DIALECT},
        listen=listen,
        models=[SLOW],
    ) as running:
        yield running


@pytest.fixture(scope="module", params=["main", "own"])
def api(request: pytest.FixtureRequest, server: LiveServer) -> Iterator[httpx.Client]:
    own = f"{server.url_of('cyberimage')}/api/"
    main = str(server.client.base_url.join("/cyberimage/api/"))
    base = own if request.param == "own" else main
    with httpx.Client(base_url=base, timeout=30) as client:
        yield client


def changed(word: str, value: object) -> dict[str, Any]:
    """The body with another value in its settings."""
    return {**BODY, "settings": {**SMALL, word: value}}


@pytest.mark.parametrize("api", ["main"], indirect=True)
@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "model_id: Field required; prompt: Field required"),
        ({"model_id": "flux-1"}, "prompt: Field required"),
        ({**BODY, "prompt": ""}, "prompt"),
        ({**BODY, "prompt": " \n"}, "prompt"),
        ({**BODY, "prompt": 5}, "prompt"),
        ({**BODY, "prompt": "x" * 501}, "at most 500 characters"),
        ({**BODY, "negative_prompt": "x" * 501}, "at most 500 characters"),
        ({**BODY, "model_id": "nothing"}, "there is no model 'nothing'; available models: "),
        ({**BODY, "model_id": "upscaler"}, "there is no model 'upscaler'"),
        ({**BODY, "settings": 5}, "settings"),
        (changed("num_images", 0), "num_images"),
        (changed("num_images", 9), "num_images"),
        (changed("num_images", 1.5), "num_images"),
        (changed("num_inference_steps", 0), "num_inference_steps"),
        (changed("num_inference_steps", "30"), "num_inference_steps"),
        (changed("guidance_scale", -1), "guidance_scale"),
        (changed("width", 0), "width"),
        (changed("height", True), "height"),
        (changed("seed", -2), "seed"),
    ],
)
def test_a_bad_request_is_400(api: httpx.Client, body: dict[str, Any], said: str) -> None:
    before = get(api, "queue")
    answer = api.post("generate", json=body)
    assert answer.status_code == 400
    assert unlike(document.ERROR, answer.json()) == []
    assert said in answer.json()["message"]
    assert get(api, "queue") == before


@pytest.mark.parametrize("path", ["generate", "enrich"])
@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"\xff", 400),
        (b'{"prompt": "\\ud800"}', 400),
        (b"[" * 100_000, 400),
        (b'{"prompt": "' + b"x" * 2**20 + b'"}', 413),
    ],
    ids=["empty", "cut", "list", "latin", "surrogate", "deep", "large"],
)
def test_a_body_that_is_no_object(
    api: httpx.Client, path: str, content: bytes, status: int
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = api.post(path, content=content, headers=headers)
    assert answer.status_code == status
    assert unlike(document.ERROR, answer.json()) == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "status/nothing", 404),
        ("GET", "status/%00", 404),
        ("GET", "get_image/img_1", 404),
        ("GET", "get_image/img_20260121_115610_abcd1234_0", 404),
        ("GET", "image/img_1/metadata", 404),
        ("DELETE", "image/..%2F..%2Fdarkroom.db", 404),
        ("GET", "nothing", 404),
        ("GET", "", 404),
        ("GET", "generate", 405),
        ("POST", "models", 405),
        ("GET", "queue?detailed=perhaps", 400),
        ("GET", "gallery?page=first", 400),
        ("GET", f"gallery?page={'9' * 5000}", 400),
        ("GET", f"gallery?search={'a+' * 300}", 400),
    ],
)
def test_what_is_not_there(api: httpx.Client, method: str, path: str, status: int) -> None:
    answer = api.request(method, path)
    assert answer.status_code == status
    assert unlike(document.ERROR, answer.json()) == []
    assert ("allow" in answer.headers) == (status == 405)


def test_an_unknown_style_is_refused(api: httpx.Client) -> None:
    answer = api.post("enrich", json={"prompt": "a castle", "style": "baroque"})
    assert answer.status_code == 400
    assert "cyberpunk, anime, realistic, fantasy, sci-fi, enhance" in answer.json()["message"]


def test_pages_of_other_origins_change_nothing(api: httpx.Client) -> None:
    answer = api.post("generate", json=BODY, headers={"Origin": "https://example.org"})
    assert answer.status_code == 403
    assert unlike(document.ERROR, answer.json()) == []


def test_values_that_no_model_takes_are_bent_and_told(api: httpx.Client) -> None:
    settings = {"num_inference_steps": 900, "width": 70, "height": 64, "note": "mine"}
    accepted = post(api, "generate", {**BODY, "settings": settings})
    assert [note.split()[0] for note in accepted["warnings"]] == ["num_inference_steps", "width"]
    state = ended(api, accepted["job_id"])
    assert state["progress"]["total_steps"] == 150
    assert state["settings"] == {**settings, "guidance_scale": 7.5}, "as they were asked for"
    assert get(api, "gallery")["images"][0]["id"] == state["images"][0]["id"]


def test_a_seed_makes_the_same_image_again(api: httpx.Client, server: LiveServer) -> None:
    states = [made(api, "a red sail", seed=seed) for seed in (11, 11, 12)]
    ids = [state["images"][0]["id"] for state in states]
    first, again, other = (picture(api, name).tobytes() for name in ids)
    assert first == again
    assert first != other
    job = server.client.get(f"/api/jobs/{states[0]['id']}").json()
    assert job["params"]["seed"] == 11


def test_a_model_that_is_not_installed_fails_its_jobs(
    api: httpx.Client, server: LiveServer
) -> None:
    body = {"model_id": "lost", "prompt": "red", "settings": {"num_images": 3}}
    accepted = post(api, "generate", body)
    assert unlike(document.GENERATED, accepted) == []
    assert (accepted["status"], accepted["num_images"]) == ("pending", 3)
    state = get(api, f"status/{accepted['job_id']}")
    assert (state["status"], state["model_id"], state["prompt"]) == ("failed", "lost", "red")
    assert "'no-such-model', which is not installed" in state["message"]
    assert state["error_message"] == state["message"]
    native = server.client.get(f"/api/jobs/{accepted['job_id']}").json()
    assert (native["status"], native["error"]["code"]) == ("failed", "model_load_failed")


def test_a_job_that_fails_says_why(api: httpx.Client) -> None:
    state = made(api, "please raise")
    assert (state["status"], state["progress"]["failed"]) == ("failed", True)
    assert "asked to raise" in state["message"]
    assert state["error_message"] == state["message"]


def test_a_job_that_is_cancelled_elsewhere_has_failed(
    api: httpx.Client, server: LiveServer
) -> None:
    body = {"model_id": "slow", "prompt": "red", "settings": {**SMALL, "num_inference_steps": 150}}
    job_id = post(api, "generate", body)["job_id"]
    assert server.client.get(f"/api/jobs/{job_id}").json()["model"] == "slow"
    assert server.client.post(f"/api/jobs/{job_id}/cancel").status_code == 200
    state = ended(api, job_id)
    assert (state["status"], state["error_message"]) == ("failed", "The job was cancelled")
    with server.open(f"/api/sse/{job_id}") as events:
        assert events.data()[-1]["status"] == "cancelled"


def test_what_comes_through_it_is_seen_elsewhere(api: httpx.Client, server: LiveServer) -> None:
    state = made(api, "a blue kite")
    native = server.client.get(f"/api/jobs/{state['id']}").json()
    assert (native["status"], native["model"]) == ("completed", "colours")
    [image] = server.client.get("/api/images?q=kite&limit=1").json()["images"]
    assert f"img_{image['filename']}" == f"{state['images'][0]['id']}.png"
    assert server.client.delete(f"/api/images/{image['filename']}").status_code == 204
    assert get(api, f"status/{state['id']}")["images"] == []


def test_what_comes_through_others_is_seen_here(api: httpx.Client, server: LiveServer) -> None:
    job = server.made("a white fence", num_images=2)
    state = get(api, f"status/{job['job_id']}")
    assert unlike(document.COMPLETED, state) == []
    assert (state["model_id"], state["settings"]["num_inference_steps"]) == ("colours", 4)
    assert server.client.delete(f"/api/jobs/{job['job_id']}").status_code == 204
    # Of a forgotten job only its images are left to tell when it ended.
    left = {"started_at": None, "completed_at": state["images"][-1]["created_at"]}
    assert get(api, f"status/{job['job_id']}") == {**state, **left}
    told = get(api, f"image/{state['images'][1]['id']}/metadata")
    assert (told["model_id"], told["image_number"]) == ("colours", 2)
    found = get(api, "gallery", search="fence colours")["images"]
    assert {image["id"] for image in found} >= {image["id"] for image in state["images"]}


def test_images_are_served_like_files(api: httpx.Client) -> None:
    path = f"get_image/{made(api)['images'][0]['id']}"
    whole = api.get(path)
    assert api.head(path).headers["content-length"] == str(len(whole.content))
    assert api.get(path, headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
    part = api.get(path, headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"\x89PNG")
    refused = api.get(path, headers={"Range": "bytes=99999999-"})
    assert refused.status_code == 416
    assert unlike(document.ERROR, refused.json()) == []


def test_ten_requests_an_hour(tmp_path_factory: pytest.TempPathFactory) -> None:
    dialects = {"cyberimage": {"aliases": ALIASES}}
    with live_server(tmp_path_factory.mktemp("limited"), dialects=dialects) as server:
        base = server.client.base_url.join("/cyberimage/api/")
        with httpx.Client(base_url=base, timeout=30) as api:
            for _ in range(3):
                assert api.post("generate", json={}).status_code == 400, "which does not count"
            for number in range(10):
                model = "lost" if number % 2 else "flux-1"
                post(api, "generate", {**BODY, "model_id": model})
            refused = api.post("generate", json=BODY)
            assert refused.status_code == 429
            answer = refused.json()
            assert answer.keys() == {*document.ERROR, "wait_time"}
            assert refused.headers["retry-after"] == str(answer["wait_time"])
            assert 3500 < answer["wait_time"] <= 3600
            assert f"{answer['wait_time']} seconds" in answer["message"]
            assert get(api, "queue")["total"] == 10, "and nothing else is limited"
            server.submit("red")


def keyed(server: LiveServer, name: str, *scopes: Scope, tier: Tier = Tier.AUTHENTICATED) -> str:
    """A key's text."""
    return server.service.keys.add(name, scopes=scopes, tier=tier)


def forms(key: str) -> list[dict[str, str]]:
    """Every header that a key may be sent in."""
    basic = base64.b64encode(f"anyone:{key}".encode()).decode()
    bearer = [{"Authorization": f"Bearer {key}"}, {"Authorization": f"Basic {basic}"}]
    return [{"x-key": key}, {"X-API-Key": key}, *bearer]


def test_keys(tmp_path_factory: pytest.TempPathFactory) -> None:
    dialects = {"cyberimage": {"aliases": ALIASES, "rate_limit": {"authenticated": "2/hour"}}}
    with live_server(tmp_path_factory.mktemp("keyed"), dialects=dialects) as server:
        maker = keyed(server, "maker", Scope.GENERATE, Scope.READ, tier=Tier.PRO)
        ruler = keyed(server, "ruler", Scope.ADMIN)
        base = server.client.base_url.join("/cyberimage/api/")
        with httpx.Client(base_url=base, timeout=30) as api:
            for path in ("models", "queue", "gallery", "status/x", "image/img_1/metadata"):
                refused = api.get(path)
                assert refused.status_code == 401
                assert unlike(document.ERROR, refused.json()) == []
            assert api.post("generate", json=BODY, headers={"x-key": "wrong"}).status_code == 401
            assert api.get("models", params={"key": maker}).status_code == 200
            for headers in forms(maker):
                answer = api.post("generate", json=BODY, headers=headers)
                assert answer.status_code == 200, "a tier without a limit"
            api.headers["x-key"] = maker
            image = made(api)["images"][0]["id"]
            for path, method in [(f"image/{image}", "DELETE"), ("reset_queue", "POST")]:
                assert api.request(method, path).status_code == 403
                assert api.request(method, path, headers={"x-key": ruler}).status_code == 200
            image = made(api)["images"][0]["id"]
            del api.headers["x-key"]
            assert api.get(f"get_image/{image}").status_code == 200, "whoever knows its name"
