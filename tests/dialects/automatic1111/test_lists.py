"""What there is, as clients ask when they start: models, samplers, LoRAs, settings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from server.dialects.automatic1111.lists import EMPTY
from tests.serving import LiveServer, live_server

MODELS, OPTIONS = "/sdapi/v1/sd-models", "/sdapi/v1/options"
TITLE = "Colours [colours]"


@pytest.fixture(autouse=True)
def unchanged(server: LiveServer) -> Iterator[None]:
    """The model of one test is not that of the next."""
    yield
    server.client.post(OPTIONS, json={"sd_model_checkpoint": TITLE})


def model_of(client: httpx.Client) -> str:
    """The model that a request gets which names none."""
    body = {"prompt": "red", "width": 64, "height": 64}
    text = client.post("/sdapi/v1/txt2img", json=body).json()["info"]
    return str(text).partition('"sd_model_name": "')[2].partition('"')[0]


def test_models_are_those_that_make_images_from_words(api: httpx.Client) -> None:
    items = api.get(MODELS).json()
    assert all(
        item.keys() == {"title", "model_name", "hash", "sha256", "filename", "config"}
        for item in items
    )
    names = {item["model_name"]: item["title"] for item in items}
    assert names["colours"] == TITLE
    assert "lanczos" not in names
    assert len(set(names.values())) == len(items)


def test_the_model_in_use_is_one_of_the_listed(api: httpx.Client) -> None:
    options = api.get(OPTIONS).json()
    assert options["sd_model_checkpoint"] in [item["title"] for item in api.get(MODELS).json()]
    assert options["samples_format"] == "png"


def test_a_model_is_chosen_by_sending_all_settings_back(
    server: LiveServer, api: httpx.Client
) -> None:
    current = server.client.get("/api/info").json()["model"]
    options = api.get(OPTIONS).json()
    options["sd_model_checkpoint"] = "Colours four step [colours-four-step]"
    changed = api.post(OPTIONS, json=options)
    assert (changed.status_code, changed.json()) == (200, None)
    assert api.get(OPTIONS).json() == options
    assert model_of(api) == "colours-four-step"
    assert server.client.get("/api/info").json()["model"] == current, "nobody else's"


@pytest.mark.parametrize("name", ["colours-four-step", "anything-v5"])
def test_a_model_is_chosen_by_any_of_its_names(server: LiveServer, name: str) -> None:
    assert server.client.post(OPTIONS, json={"sd_model_checkpoint": name}).status_code == 200
    shown = server.client.get(OPTIONS).json()["sd_model_checkpoint"]
    assert shown == "Colours four step [colours-four-step]"
    assert model_of(server.client) == name


def test_settings_that_are_sent_back_as_they_are_choose_nothing(server: LiveServer) -> None:
    server.client.post(OPTIONS, json={"sd_model_checkpoint": "anything-v5"})
    options = server.client.get(OPTIONS).json()
    assert server.client.post(OPTIONS, json=options).status_code == 200
    assert server.client.get(OPTIONS).json() == options
    assert model_of(server.client) == "anything-v5"


def test_other_settings_change_nothing(server: LiveServer) -> None:
    before = server.client.get(OPTIONS).json()
    sent = {"sd_vae": "none.pt", "unknown": [1], "sd_model_checkpoint": None}
    assert server.client.post(OPTIONS, json=sent).status_code == 200
    assert server.client.get(OPTIONS).json() == before


@pytest.mark.parametrize("name", ["nobody's", "lanczos"])
def test_a_model_that_cannot_be_used_is_refused(server: LiveServer, name: str) -> None:
    refused = server.client.post(OPTIONS, json={"sd_model_checkpoint": name})
    assert refused.status_code == 404
    assert name in refused.json()["detail"]
    assert server.client.get(OPTIONS).json()["sd_model_checkpoint"] == TITLE


def test_the_choice_survives_a_restart(tmp_path: Path) -> None:
    for chosen in (None, "colours-four-step"):
        with live_server(tmp_path / "data") as running:
            shown = running.client.get(OPTIONS).json()["sd_model_checkpoint"]
            assert shown == (TITLE if chosen is None else f"Colours four step [{chosen}]")
            running.client.post(OPTIONS, json={"sd_model_checkpoint": "colours-four-step"})


def test_a_model_can_be_chosen_for_one_request(server: LiveServer) -> None:
    override = {"sd_model_checkpoint": "Colours four step [colours-four-step]"}
    body = {"prompt": "red", "width": 64, "height": 64, "override_settings": override}
    answer = server.client.post("/sdapi/v1/txt2img", json=body)
    assert '"sd_model_name": "colours-four-step"' in answer.json()["info"]
    assert server.client.get(OPTIONS).json()["sd_model_checkpoint"] == TITLE


def test_samplers_are_those_of_the_models(api: httpx.Client) -> None:
    items = api.get("/sdapi/v1/samplers").json()
    names = {item["name"]: item["aliases"] for item in items}
    assert names["Euler a"] == ["euler_a"]
    assert names["DPM++ 2M Karras"] == ["dpm++_2m_karras"]
    assert len(names) == len(items)
    schedulers = [item["label"] for item in api.get("/sdapi/v1/schedulers").json()]
    assert schedulers == ["Automatic", "Karras"]


def test_upscalers_begin_with_none(api: httpx.Client) -> None:
    assert [item["name"] for item in api.get("/sdapi/v1/upscalers").json()] == ["None", "Lanczos"]


def test_loras_are_those_that_models_can_use(api: httpx.Client) -> None:
    assert (api.post("/sdapi/v1/refresh-loras").json(), api.get("/sdapi/v1/loras").status_code) == (
        None,
        200,
    )
    names = {item["name"]: item for item in api.get("/sdapi/v1/loras").json()}
    inkwash = names["inkwash"]
    assert (inkwash["alias"], inkwash["path"]) == ("Ink wash", "inkwash.safetensors")
    assert inkwash["metadata"]["ss_network_dim"] == 8
    assert len(inkwash["metadata"]["sshs_model_hash"]) == 64


@pytest.mark.parametrize("name", EMPTY)
def test_what_there_is_none_of_is_told(api: httpx.Client, name: str) -> None:
    answer = api.get(f"/sdapi/v1/{name}")
    assert answer.status_code == 200
    assert answer.json() == EMPTY[name][1]


def test_memory_is_that_of_the_machine(api: httpx.Client) -> None:
    memory = api.get("/sdapi/v1/memory").json()
    assert memory["ram"]["used"] + memory["ram"]["free"] == memory["ram"]["total"] > 0
    assert memory["cuda"] == {"error": "unavailable"}


def test_there_is_nothing_to_refresh(api: httpx.Client) -> None:
    answer = api.post("/sdapi/v1/refresh-checkpoints")
    assert (answer.status_code, answer.json()) == (200, None)


def test_the_own_port_answers_a_ping(own: httpx.Client) -> None:
    assert own.get("/internal/ping").json() == {}
