"""Tasks are jobs: what comes through this API is seen through all, and the other way round."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from datetime import datetime
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from tests.dialects.bfl.asking import asked, picture, poll, submit
from tests.serving import LiveServer, live_server
from tests.support import PLUGINS

#: A model whose jobs take a while.
SLOW = {
    "id": "slow",
    "family": "colours",
    "source": str(PLUGINS),
    "defaults": {"delay": 0.2},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    data = tmp_path_factory.mktemp("data")
    with live_server(
        data, models=[SLOW], dialects={"bfl": {"aliases": {"klein": "colours"}}}
    ) as running:
        yield running


def history(server: LiveServer, task: str) -> dict[str, Any] | None:
    """The entry of a task."""
    entries: list[dict[str, Any]] = server.client.get("/history").json()
    return next((entry for entry in entries if entry["id"] == task), None)


def test_a_task_is_a_job_everywhere(server: LiveServer) -> None:
    task = submit(server.client, "/v1/klein", seed=7, guidance=3, secret="not kept")["id"]
    with server.open(f"/api/sse/{task}") as stream:
        events = stream.data()
    assert events[-1]["status"] == "completed"
    job = server.client.get(f"/api/jobs/{task}").json()
    assert (job["model"], job["params"]["seed"], job["params"]["cfg_scale"]) == ("colours", 7, 3)
    [image] = [each for each in server.client.get("/api/images").json()["images"]
               if each["job_id"] == task]  # fmt: skip
    assert image["model"] == "colours"
    here = history(server, task)
    assert here is not None
    assert here["model"] == "klein", "the name that its client used"


def test_a_native_job_is_a_task(server: LiveServer) -> None:
    made = server.made("a green pond", num_images=2, seed=3)
    task = made["job_id"]
    state = asked(server.client, f"/v1/get_result?id={task}")
    assert state["status"] == "Ready"
    assert picture(server.client, state["result"]["sample"]).getpixel((0, 32)) == (30, 160, 60)
    entries = [entry for entry in server.client.get("/history").json() if entry["id"] == task]
    assert len(entries) == 1, "one of a job, whatever it makes"
    assert entries[0]["model"] == "colours"
    assert entries[0]["metadata"] == '{"width": 64, "height": 64, "steps": 4, "seed": 3}'


def test_a_native_cancel_is_an_error_here(server: LiveServer) -> None:
    accepted = submit(server.client, "/v1/slow", steps=50)
    server.client.post(f"/api/jobs/{accepted['id']}/cancel")
    state = poll(server.client, accepted["polling_url"])
    assert (state["status"], state["error"]) == ("Error", "cancelled")
    assert history(server, accepted["id"]) is None


def test_progress_is_told(server: LiveServer) -> None:
    accepted = submit(server.client, "/bfl/v1/slow", steps=5)
    states = []
    while not states or states[-1]["status"] == "Pending":
        time.sleep(0.05)
        states.append(asked(server.client, accepted["polling_url"]))
    progress = [state["progress"] for state in states]
    assert progress == sorted(progress)
    steps = {state["details"].get("step") for state in states if state["details"]}
    assert steps & {1, 2, 3, 4}
    assert states[-1]["status"] == "Ready"


def test_an_image_outlives_its_job_and_not_its_deletion(server: LiveServer) -> None:
    # It takes more than a second, so that its image is younger than its id by the clock.
    accepted = submit(server.client, "/bfl/v1/slow", prompt="a blue bird", steps=6)
    ready = poll(server.client, accepted["polling_url"])
    assert server.client.delete(f"/api/jobs/{accepted['id']}").status_code == 204
    state = asked(server.client, accepted["polling_url"])
    assert (state["status"], state["result"]["prompt"]) == ("Ready", "a blue bird")
    assert state["result"]["sample"] == ready["result"]["sample"]
    assert picture(server.client, state["result"]["sample"]).format == "JPEG"
    entry = history(server, accepted["id"])
    assert entry is not None
    asked_at = datetime.fromisoformat(entry["created_at"])
    assert accepted["id"].startswith(f"{asked_at:%Y%m%d_%H%M%S}_"), "when it was asked for"
    assert server.client.delete(f"/api/images/{accepted['id']}_0.png").status_code == 204
    assert server.client.get(accepted["polling_url"]).json()["status"] == "Task not found"
    assert server.client.get(state["result"]["sample"]).status_code == 404
    assert history(server, accepted["id"]) is None


def test_an_image_to_work_from(server: LiveServer) -> None:
    written = BytesIO()
    Image.new("RGB", (300, 150), (10, 200, 100)).save(written, "PNG")
    encoded = base64.b64encode(written.getvalue()).decode()
    for given in (encoded, f"data:image/png;base64,{encoded}"):
        body = {"prompt": "make it red", "input_image": given, "output_format": "png", "steps": 1}
        answer = server.client.post("/bfl/v1/klein", json=body)
        state = poll(server.client, answer.json()["polling_url"])
        image = picture(server.client, state["result"]["sample"])
        assert image.size == (1456, 720), "about a megapixel of the given image's shape"
        assert image.getpixel((0, 300)) == (10, 200, 100), "the colours begin with the image's"


def test_a_prompt_is_written_out_if_that_is_wanted(server: LiveServer) -> None:
    accepted = submit(server.client, "/bfl/v1/klein", prompt_upsampling=True)
    prompt = poll(server.client, accepted["polling_url"])["result"]["prompt"]
    assert prompt.startswith("a red square, ")
    assert len(prompt) > 40
