"""What the documents print is answered as printed, on the main port and on the dialect's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from io import BytesIO
from typing import Any

import httpx
import pytest
from PIL import Image

from server.records import JOB_ID
from tests.dialects.bfl import document
from tests.dialects.bfl.asking import asked, picture, poll, submit
from tests.plugins.colours import left_edge
from tests.serving import LiveServer, live_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(
        tmp_path_factory.mktemp("data"),
        listen=[{"dialect": "bfl", "port": 0}],
        dialects={"bfl": {"aliases": {document.MODEL: "colours"}}},
    ) as running:
        yield running


@pytest.fixture(scope="module")
def own(server: LiveServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url_of("bfl"), timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def ready(server: LiveServer) -> dict[str, Any]:
    """The printed request, made."""
    accepted = server.client.post(f"/v1/{document.MODEL}", json=document.REQUEST).json()
    return poll(server.client, accepted["polling_url"])


@pytest.fixture
def paused(server: LiveServer) -> Iterator[LiveServer]:
    server.client.post("/api/queue/pause")
    yield server
    server.client.post("/api/queue/resume")


def test_the_printed_request_is_queued(server: LiveServer) -> None:
    answer = server.client.post(f"/v1/{document.MODEL}", json=document.REQUEST)
    assert answer.status_code == 200
    found = answer.json()
    assert list(found) == list(document.QUEUED)
    assert JOB_ID.fullmatch(found["id"])
    assert found["status"] == document.QUEUED["status"]
    assert found["polling_url"] == f"http://127.0.0.1:{server.port}/v1/get_result?id={found['id']}"


def test_a_task_under_way_is_processing(paused: LiveServer) -> None:
    accepted = submit(paused.client, f"/v1/{document.MODEL}")
    found = asked(paused.client, accepted["polling_url"])
    assert found == {**document.PROCESSING, "id": accepted["id"]}


def test_a_task_that_is_done_is_ready(server: LiveServer, ready: dict[str, Any]) -> None:
    sample = f"http://127.0.0.1:{server.port}/outputs/flux_{ready['id']}.png"
    assert ready == {**document.READY, "id": ready["id"], "result": {"sample": sample}}
    image = picture(server.client, sample)
    assert (image.format, image.size) == ("PNG", (1024, 1024))
    assert image.getpixel((0, 512)) == left_edge(document.REQUEST["prompt"])


def test_history_is_as_printed(server: LiveServer, ready: dict[str, Any]) -> None:
    entries = server.client.get("/history").json()
    found = next(entry for entry in entries if entry["id"] == ready["id"])
    [printed] = document.HISTORY
    sample = ready["result"]["sample"]
    assert list(found) == list(printed)
    assert found == {
        **printed,
        "id": ready["id"],
        "prompt": document.REQUEST["prompt"],
        "result_url": sample,
        "url": sample,
        "created_at": found["created_at"],
    }
    moment = datetime.strptime(found["created_at"], "%Y-%m-%dT%H:%M:%S")
    assert found["id"].startswith(f"{moment:%Y%m%d_%H%M%S}")


def test_history_is_searched_and_paged(server: LiveServer) -> None:
    ids = []
    for prompt in ("a marzipan boat", "a marzipan house", "a boat of colours"):
        accepted = submit(server.client, f"/v1/{document.MODEL}", prompt=prompt)
        poll(server.client, accepted["polling_url"])
        ids.insert(0, accepted["id"])

    def found(**query: Any) -> list[str]:
        answer = server.client.get("/history", params=query)
        assert answer.status_code == 200
        return [entry["id"] for entry in answer.json()]

    assert found()[:3] == ids, "newest first"
    assert found(query="marzipan") == ids[1:]
    assert found(query="MARZ bo") == ids[2:]
    assert found(query="colours") == ids[:1], "the model's name is no word of a prompt"
    assert found(query="nougat") == []
    assert found(query="  ") == found(), "no word at all"
    assert found(limit=2) == ids[:2]
    assert found(limit=2, offset=1) == ids[1:3]
    assert found(offset=10**30) == []
    assert len(found(limit=-5)) == 1, "brought to 1"


@pytest.mark.parametrize("place", ["bfl", "own"])
def test_black_forest_labs_own_words(server: LiveServer, own: httpx.Client, place: str) -> None:
    client, prefix = (server.client, "/bfl") if place == "bfl" else (own, "")
    answer = client.post(f"{prefix}/v1/{document.MODEL}", json=document.OWN_REQUEST)
    assert answer.status_code == 200
    accepted = answer.json()
    assert accepted.keys() == document.OWN_ACCEPTED
    assert accepted["cost"] is accepted["input_mp"] is accepted["output_mp"] is None
    base = str(client.base_url).rstrip("/")
    assert accepted["polling_url"] == f"{base}{prefix}/v1/get_result?id={accepted['id']}"
    state = poll(client, accepted["polling_url"])
    assert state.keys() == document.OWN_STATE
    assert (state["status"], state["progress"]) == ("Ready", 1.0)
    result = state["result"]
    assert result["sample"] == f"{base}/outputs/flux_{accepted['id']}.jpeg"
    assert (result["prompt"], result["seed"]) == ("ein fantastisches bild", 42)
    assert result["end_time"] - result["start_time"] == pytest.approx(result["duration"], abs=0.01)
    image = picture(client, result["sample"])
    assert (image.format, image.size) == ("JPEG", (64, 64)), "0 means the model's own size"
    red, green, blue = left_edge("ein fantastisches bild")
    assert image.getpixel((0, 32)) == pytest.approx((red, green, blue), abs=12)


def test_the_printed_request_on_the_own_port(own: httpx.Client) -> None:
    accepted = own.post(f"/v1/{document.MODEL}", json=document.REQUEST).json()
    state = poll(own, accepted["polling_url"])
    assert picture(own, state["result"]["sample"]).size == (1024, 1024)
    [entry] = own.get("/history", params={"limit": 1}).json()
    assert (entry["id"], entry["model"]) == (accepted["id"], document.MODEL)
    assert entry["url"] == state["result"]["sample"]


def test_black_forest_labs_pending_tells_more(paused: LiveServer) -> None:
    accepted = submit(paused.client, "/bfl/v1/colours-four-step", steps=30)
    state = asked(paused.client, accepted["polling_url"])
    assert (state["status"], state["result"], state["progress"]) == ("Pending", None, 0)
    notes = ["steps 30 was changed to 4, which this model takes."]
    assert state["details"]["notes"] == notes
    assert state["details"]["queue_position"] >= 1


@pytest.mark.parametrize("task_id", [document.ID, "nonsense", "../../etc", "20260121_115610"])
def test_a_task_that_there_is_not(server: LiveServer, own: httpx.Client, task_id: str) -> None:
    query = {"id": task_id}
    for client, path in [(server.client, "/bfl/v1/get_result"), (own, "/v1/get_result")]:
        answer = client.get(path, params=query)
        assert answer.status_code == 404
        assert answer.json().keys() >= document.OWN_STATE
        assert (answer.json()["id"], answer.json()["status"]) == (task_id, "Task not found")
    plain = server.client.get("/v1/get_result", params=query)
    assert plain.status_code == 404
    assert plain.json().keys() == {"detail", "message"}


def test_an_image_is_a_file_that_never_changes(server: LiveServer, ready: dict[str, Any]) -> None:
    sample = ready["result"]["sample"]
    for url, kind in [(sample, "png"), (sample.replace(".png", ".jpg"), "jpeg")]:
        whole = server.client.get(url)
        assert whole.headers["content-type"] == f"image/{kind}"
        assert Image.open(BytesIO(whole.content)).size == (1024, 1024)
        tag = whole.headers["etag"]
        assert server.client.get(url, headers={"If-None-Match": tag}).status_code == 304
        part = server.client.get(url, headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, whole.content[10:20])
        assert part.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
        end = server.client.get(url, headers={"Range": "bytes=-7"})
        assert (end.status_code, end.content) == (206, whole.content[-7:])
        beyond = server.client.get(url, headers={"Range": f"bytes={len(whole.content)}-"})
        assert (beyond.status_code, beyond.json().keys()) == (416, {"detail", "message"})
        head = server.client.head(url)
        assert (head.status_code, head.headers["etag"]) == (200, tag)


def test_the_documentation_shows_the_printed_examples(server: LiveServer) -> None:
    described = server.client.get("/openapi/bfl.json").json()
    submission = described["paths"]["/v1/{model}"]["post"]
    body = submission["requestBody"]["content"]["application/json"]
    assert body["example"] == document.REQUEST
    names = submission["parameters"][0]["schema"]["enum"]
    assert {document.MODEL, "flux-2-klein-9b", "flux-dev", "flux-schnell"} <= {*names}
    schemas = described["components"]["schemas"]
    [queued] = schemas["Queued"]["examples"]
    assert queued.keys() == document.QUEUED.keys()
    metadata = schemas["HistoryEntry"]["examples"][0]["metadata"]
    assert json.loads(metadata) == json.loads(str(document.HISTORY[0]["metadata"]))
    assert [*described["paths"]] == [
        "/v1/{model}",
        "/v1/get_result",
        "/history",
        "/outputs/{filename}",
        "/bfl/v1/{model}",
        "/bfl/v1/get_result",
    ]
    for path in described["paths"].values():
        for operation in path.values():
            assert "HTTPValidationError" not in json.dumps(operation)
