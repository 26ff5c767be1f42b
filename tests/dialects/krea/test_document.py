"""What the API's documentation prints works as printed, at both addresses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.dialects.krea import document
from tests.dialects.krea.asking import Address, generated, others, picture, until_answered
from tests.dialects.krea.document import CURLS, REQUEST
from tests.plugins.colours import left_edge
from tests.serving import LiveServer


def kinds(value: dict[str, Any]) -> dict[str, type]:
    """The types of a body's fields."""
    return {name: type(item) for name, item in value.items()}


def test_health(api: Address) -> None:
    told = api.get("/health").json()
    assert kinds(told) == kinds(document.HEALTH)
    assert (told["status"], told["version"]) == ("healthy", document.HEALTH["version"])
    assert told["device"] == "cpu", "there are two words for it; this is the tests' device"
    assert told["model"] == "colours"
    assert told["model"] in api.get("/models").json()["models"]


def test_models(api: Address, server: LiveServer) -> None:
    told = api.get("/models").json()
    assert kinds(told) == kinds(document.MODELS)
    known = {model["id"] for model in server.client.get("/api/models").json()["models"]}
    assert {"colours", "slow", "flux-schnell"} <= set(told["models"]) < known
    assert "enlarger" not in "".join(told["models"]), "it makes no images from words"


def test_status(api: Address, server: LiveServer) -> None:
    server.made()
    assert api.get("/status").json() == {
        "status": "ok",
        "model_loaded": True,
        "models_loaded": True,
        "models_loading": False,
        "device": "cpu",
        "model": "colours",
        "message": "The model is ready.",
    }


def test_generate(api: Address, server: LiveServer) -> None:
    answer = api.generate(REQUEST)
    image = generated(answer)
    assert kinds(answer.json()) == kinds(document.GENERATED)
    assert image.size == (1024, 1024)
    assert image.getpixel((0, 512)) == left_edge(REQUEST["prompt"])
    [newest] = server.client.get("/api/images", params={"limit": 1}).json()["images"]
    assert REQUEST.items() <= newest.items(), "the recipe is what was asked for"


@pytest.mark.parametrize("body", CURLS, ids=lambda body: body["prompt"])
def test_the_calls_of_curl(api: Address, body: dict[str, Any]) -> None:
    image = generated(api.generate(body))
    assert image.size == (body.get("width", 1024), body.get("height", 1024))
    assert image.getpixel((0, 0)) == left_edge(body["prompt"])


def test_the_messages_of_the_socket(api: Address, slowly: LiveServer) -> None:
    with api.socket() as socket:
        socket.send(json.dumps(document.WISH))
        *progress, complete = until_answered(socket)
    assert others(progress) == []
    assert progress
    for message in progress:
        assert message.keys() == document.PROGRESS.keys()
        assert kinds(message["data"]) == kinds(document.PROGRESS["data"])
    assert complete.keys() == document.COMPLETE.keys()
    assert complete["type"] == document.COMPLETE["type"]
    assert kinds(complete["data"]) == kinds(document.COMPLETE["data"])
    image = picture(complete["data"]["image"])
    assert image.size == (1024, 1024)
    assert image.getpixel((0, 0)) == left_edge(document.WISH["data"]["prompt"])


def test_the_documentation_shows_the_same_examples(api: Address, server: LiveServer) -> None:
    own = api.url == server.url_of("krea")
    url = f"{api.url}/openapi.json" if own else "/openapi/krea.json"
    described = server.client.get(url).json()
    prefix = "" if own else "/krea"
    paths = ("/generate", "/health", "/models", "/status")
    assert {*described["paths"]} == {f"{prefix}{path}" for path in paths}
    body = described["paths"][f"{prefix}/generate"]["post"]["requestBody"]["content"]
    assert body["application/json"]["example"] == REQUEST
    shapes = described["components"]["schemas"]
    examples = {name: shape["examples"] for name, shape in shapes.items() if name != "Status"}
    assert examples == {
        "Failure": [document.FAILURE],
        "Generated": [document.GENERATED],
        "Health": [document.HEALTH],
        "Models": [document.MODELS],
    }
    for shape in shapes.values():
        Draft202012Validator(shape).validate(shape["examples"][0])
