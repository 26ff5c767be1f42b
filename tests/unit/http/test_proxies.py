"""Whose word about clients is believed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from server.config import Settings
from server.listeners import listen
from tests.serving import PATIENCE, running

FORWARDED = {"X-Forwarded-For": "203.0.113.7, 198.51.100.2", "X-Forwarded-Proto": "https"}


async def who(request: Request) -> JSONResponse:
    assert request.client is not None
    return JSONResponse([request.client.host, request.url.scheme])


@contextmanager
def serving(*trusted: str) -> Iterator[httpx.Client]:
    app = Starlette(routes=[Route("/", who)])
    settings = Settings(port=0, trusted_proxies=trusted)
    with (
        listen(settings) as listeners,
        running(app, settings, listeners),
        httpx.Client(base_url=listeners.main.url, timeout=PATIENCE) as client,
    ):
        yield client


@pytest.mark.parametrize("trusted", [(), ("192.0.2.0/24",)])
def test_what_strangers_say_of_their_clients_is_ignored(
    trusted: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")  # uvicorn's own word for trusting
    with serving(*trusted) as client:
        assert client.get("/", headers=FORWARDED).json() == ["127.0.0.1", "http"]


@pytest.mark.parametrize(
    ("trusted", "client_address"),
    [
        (("127.0.0.1",), "198.51.100.2"),
        (("127.0.0.0/8", "198.51.100.2"), "203.0.113.7"),
    ],
)
def test_a_trusted_proxy_tells_the_client_that_the_last_untrusted_one_had(
    trusted: tuple[str, ...], client_address: str
) -> None:
    with serving(*trusted) as client:
        assert client.get("/", headers=FORWARDED).json() == [client_address, "https"]
        assert client.get("/").json() == ["127.0.0.1", "http"]
