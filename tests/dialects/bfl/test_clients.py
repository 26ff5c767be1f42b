"""A program that others wrote works unmodified."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.dialects.bfl.asking import picture
from tests.serving import LiveServer, live_server, until

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    aliases = {"flux-pro-1.1": "colours", "flux-dev": "colours-four-step"}
    with live_server(
        tmp_path_factory.mktemp("data"),
        listen=[{"dialect": "bfl", "port": 0}],
        dialects={"bfl": {"aliases": aliases}},
    ) as running:
        yield running


@pytest.fixture(scope="module")
def key(server: LiveServer) -> str:
    return server.service.keys.add("client")


@pytest.fixture(params=["own port", "prefix"])
def client(
    server: LiveServer, key: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """The client `black-forest-labs` of PyPI, with the address that a user would give it."""
    monkeypatch.setenv("BFL_API_KEY", key)  # it asks for one when it is imported
    package = importlib.import_module("black_forest_labs.client")
    own = request.param == "own port"
    address = server.url_of("bfl") if own else f"http://127.0.0.1:{server.port}/bfl"
    made = package.Client(base_url=address)
    yield made
    made._client.close()  # it offers nothing itself


@pytest.mark.parametrize("model", ["flux-pro-1.1", "flux-dev"])
def test_the_client_of_pypi_gets_its_image(client: Any, server: LiveServer, model: str) -> None:
    words = {"width": 256, "height": 192, "seed": 5, "safety_tolerance": 2}
    task = client.generate(model, prompt="a red circle", prompt_upsampling=False, **words)
    assert (task.status, task.is_done) == (None, False)
    until(lambda: bool(client.get_result(task).is_done))
    done = client.get_result(task.id)
    assert str(done.status) == "Ready"
    assert done.result.prompt == "a red circle"
    image = picture(server.client, done.result.sample)
    assert (image.format, image.size) == ("JPEG", (256, 192))
    red, green, blue = image.getpixel((0, 96))  # type: ignore[misc]
    assert red > 150
    assert max(green, blue) < 80


def test_it_is_told_what_went_wrong(client: Any) -> None:
    failed = client.generate("flux-dev", prompt="raise")
    until(lambda: bool(client.get_result(failed).is_done))
    assert str(client.get_result(failed).status) == "Error"
    for call, status in [
        (lambda: client.generate("flux-pro", prompt="x"), 404),
        (lambda: client.generate("flux-dev", prompt=""), 422),
        (lambda: client.get_result("nothing"), 404),
    ]:
        with pytest.raises(httpx.HTTPStatusError) as caught:
            call()
        assert caught.value.response.status_code == status
        assert caught.value.response.json()["message"]
