"""Images are made as clients of AUTOMATIC1111's API ask for them, on both addresses."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest

from tests.dialects.automatic1111.pictures import RED, decoded, encoded, plain
from tests.dialects.automatic1111.recorded import BODIES, INFO_WORDS, OPEN_WEBUI, WEBUIAPI
from tests.serving import LiveServer

TXT2IMG, IMG2IMG = "/sdapi/v1/txt2img", "/sdapi/v1/img2img"


def made(client: httpx.Client, path: str = TXT2IMG, **body: Any) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("name", BODIES)
def test_recorded_requests_make_what_they_ask_for(api: httpx.Client, name: str) -> None:
    body = BODIES[name]
    answer = made(api, **body)
    assert answer.keys() == {"images", "parameters", "info"}
    images = [decoded(text) for text in answer["images"]]
    size = (int(body["width"]), int(body["height"]))
    assert [image.size for image in images] == [size] * body.get("batch_size", 1)
    assert all(image.format == "PNG" for image in images)
    assert all(image.getpixel((0, 9)) == RED for image in images)


def test_info_is_a_text_with_the_web_uis_words(server: LiveServer) -> None:
    answer = made(server.client, **OPEN_WEBUI)
    assert isinstance(answer["info"], str)
    info = json.loads(answer["info"])
    assert info.keys() == INFO_WORDS | {"warnings"}
    assert info["all_prompts"] == [OPEN_WEBUI["prompt"]] * 2
    assert info["all_negative_prompts"] == ["blurry"] * 2
    assert info["all_seeds"] == [info["seed"], info["seed"] + 1]
    assert (info["width"], info["height"], info["steps"]) == (512, 512, 50)
    assert (info["sampler_name"], info["cfg_scale"]) == ("Euler a", 7.5)
    assert info["sd_model_name"] == "colours"
    texts = [decoded(text).info["parameters"] for text in answer["images"]]
    assert info["infotexts"] == texts
    assert f"Seed: {info['seed'] + 1}," in texts[1]


def test_parameters_are_the_request_with_its_defaults(server: LiveServer) -> None:
    answer = made(server.client, prompt="red", seed=5, width=64, height=64, unknown={"a": [1]})
    assert answer["parameters"].items() >= {
        "prompt": "red",
        "negative_prompt": "",
        "seed": 5,
        "steps": 50,
        "cfg_scale": 7.0,
        "width": 64,
        "height": 64,
        "batch_size": 1,
        "n_iter": 1,
        "unknown": {"a": [1]},
    }.items()  # fmt: skip


def test_the_same_seed_makes_the_same_image_everywhere(
    server: LiveServer, own: httpx.Client
) -> None:
    words = {**WEBUIAPI, "width": 64, "height": 64}
    first, second, other = (
        decoded(made(client, **{**words, "seed": seed})["images"][0]).tobytes()
        for client, seed in [(server.client, 3), (own, 3), (own, 4)]
    )
    assert first == second != other


def test_images_can_be_left_out(server: LiveServer) -> None:
    answer = made(server.client, prompt="red", width=64, height=64, send_images=False)
    assert answer["images"] == []
    assert len(json.loads(answer["info"])["infotexts"]) == 1


def test_iterations_make_more_images(server: LiveServer) -> None:
    answer = made(server.client, prompt="red", width=64, height=64, batch_size=2, n_iter=2, seed=8)
    info = json.loads(answer["info"])
    assert len(answer["images"]) == 4
    assert info["all_seeds"] == [8, 9, 10, 11]


def test_values_are_bent_to_the_model_and_it_is_said(server: LiveServer) -> None:
    answer = made(
        server.client,
        prompt="red",
        width=70,
        height=64,
        steps=30,
        sampler_name="DPM++ 3M SDE Karras",
        override_settings={"sd_model_checkpoint": "anything-v5"},
    )
    info = json.loads(answer["info"])
    assert decoded(answer["images"][0]).size == (64, 64)
    assert (info["steps"], info["sampler_name"]) == (4, "Euler")
    assert [note.split(" ")[0] for note in info["warnings"]] == ["width", "steps", "sampler_name"]
    assert info["sd_model_name"] == "anything-v5", "as the client called it"


def test_an_image_begins_with_an_image(api: httpx.Client) -> None:
    blue = encoded(plain((64, 64), (30, 60, 200)))
    for given in (blue, f"data:image/png;base64,{blue}"):
        answer = made(api, IMG2IMG, init_images=[given], prompt="red", width=64, height=64)
        assert decoded(answer["images"][0]).getpixel((0, 9)) == (30, 60, 200)
        assert answer["parameters"]["init_images"] is None
        assert json.loads(answer["info"])["denoising_strength"] == 0.75


def test_an_image_is_seen_by_everybody(server: LiveServer, own: httpx.Client) -> None:
    answer = made(own, prompt="a red kite", width=64, height=64, seed=31)
    [image] = [
        item
        for item in server.client.get("/api/images", params={"q": "kite"}).json()["images"]
        if item["seed"] == 31
    ]
    job = server.snapshot(image["job_id"])
    assert (job["status"], job["model"], job["params"]["prompt"]) == (
        "completed",
        "colours",
        "a red kite",
    )
    assert encoded_bytes(server, image["url"]) == answer["images"][0]


def encoded_bytes(server: LiveServer, url: str) -> str:
    """The file at a path, as answers hold it."""
    return base64.b64encode(server.client.get(url).content).decode()
