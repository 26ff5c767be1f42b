"""The page docs/how-to/dialects/automatic1111.md works as printed."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from server.dialects.automatic1111.lists import EMPTY
from tests.dialects.automatic1111.pictures import decoded
from tests.docs.pages import DOCS
from tests.serving import LiveServer

PAGE = (DOCS / "how-to" / "dialects" / "automatic1111.md").read_text("utf-8")
COMMANDS = re.findall(r"^curl .*$", PAGE, re.MULTILINE)


def sent(server: LiveServer, command: str, password: str = "") -> httpx.Response:
    """What a printed command is answered, by this server."""
    words = iter(shlex.split(command)[1:])
    options: dict[str, Any] = {"headers": {}}
    method, url = "GET", httpx.URL()
    for word in words:
        match word:
            case "-X":
                method = next(words)
            case "-H":
                name, _, value = next(words).partition(": ")
                options["headers"][name] = value
            case "-d":
                method, options["content"] = "POST", next(words)
            case "-u":
                options["auth"] = (next(words).partition(":")[0], password)
            case _:
                url = httpx.URL(word)
    assert (url.host, url.port) == ("127.0.0.1", 8000)
    return server.client.request(method, url.path, **options)


@pytest.mark.parametrize("command", [line for line in COMMANDS if "KEY" not in line])
def test_printed_commands_work(server: LiveServer, command: str) -> None:
    # The model of the page is real; the tests' own is faster.
    answer = sent(server, command.replace("postcard", "colours"))
    assert answer.status_code == 200, answer.text
    if "txt2img" in command:
        asked = json.loads(shlex.split(command)[-1])
        image = decoded(answer.json()["images"][0])
        assert image.size == (asked["width"], asked["height"])
        assert json.loads(answer.json()["info"])["seed"] == asked["seed"]


def test_the_printed_command_with_a_key_works(server: LiveServer, key: Callable[..., str]) -> None:
    [command] = [line for line in COMMANDS if "KEY" in line]
    assert sent(server, command, key("friend")).status_code == 200
    assert sent(server, command, "wrong").status_code == 401


def test_the_page_names_every_route(server: LiveServer) -> None:
    paths = server.client.get("/openapi/automatic1111.json").json()["paths"]
    names = {path.removeprefix("/sdapi/v1/") for path in paths}
    assert names >= set(EMPTY)
    assert {name for name in names if f"`{name}`" not in PAGE} == set()


def test_errors_and_examples_of_every_route_are_described(server: LiveServer) -> None:
    document = server.client.get("/openapi/automatic1111.json").json()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            described = operation["responses"]
            assert described.keys() >= {"200", "401", "403", "429", "500", "503"}, path
            assert operation["description"], path
            for status, answer in described.items():
                if status != "200":
                    content = answer["content"]["application/json"]
                    assert content["schema"] == {"$ref": "#/components/schemas/Refusal"}
                    assert content["examples"]


def test_the_smallest_example_image_is_one(server: LiveServer) -> None:
    schemas = server.client.get("/openapi/automatic1111.json").json()["components"]["schemas"]
    text = schemas["PngInfoRequest"]["properties"]["image"]["examples"][0]
    assert base64.b64decode(text, validate=True).startswith(b"\x89PNG")
    assert decoded(text).size == (1, 1)
