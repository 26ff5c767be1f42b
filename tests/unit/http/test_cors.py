"""What browsers are told about pages of other origins."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from server.config import Settings
from server.http import cors

LOCAL = "http://localhost:5173"


async def answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse("in", int(request.query_params.get("status", "200")))


def client(**settings: Any) -> httpx.AsyncClient:
    app = Starlette(routes=[Route("/", answer, methods=["GET", "POST"])])
    cors.add(app, Settings(**settings))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:8000")


async def preflight(origin: str, asked: dict[str, str], **settings: Any) -> httpx.Response:
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST", **asked}
    async with client(**settings) as browser:
        return await browser.options("/", headers=headers)


@pytest.mark.parametrize(
    "headers",
    [
        "x-key",
        "x-api-key, content-type, idempotency-key",
        "authorization,x-stainless-os,last-event-id",
    ],
)
async def test_a_preflight_lets_every_header_of_clients_through(headers: str) -> None:
    told = await preflight(LOCAL, {"Access-Control-Request-Headers": headers})
    assert told.status_code == 200
    assert told.headers["access-control-allow-origin"] == LOCAL
    assert told.headers["access-control-allow-headers"] == headers
    assert {"DELETE", "PATCH", "POST", "PUT"} <= {
        *told.headers["access-control-allow-methods"].split(", ")
    }
    assert "access-control-allow-credentials" not in told.headers


@pytest.mark.parametrize(
    ("settings", "origin", "allowed"),
    [
        ({}, "http://localhost", True),
        ({}, "https://127.0.0.1:3000", True),
        ({}, "http://[::1]:8080", True),
        ({}, "tauri://localhost", True),
        ({}, "https://example.org", False),
        ({}, "http://localhost.example.org", False),
        ({}, "null", False),
        ({"allowed_origins": ()}, LOCAL, False),
        ({"allowed_origins": ("https://a.example/",)}, "https://a.example", True),
        ({"allowed_origins": ("https://a.example",)}, "https://b.example", False),
        ({"allowed_origins": ("https://a.example",)}, "http://a.example", False),
        ({"allowed_origins": ("https://a.example",)}, LOCAL, False),
        ({"allowed_origins": ("*",)}, "https://b.example", True),
        ({"allowed_origins": ("*",)}, "null", True),
    ],
)
async def test_pages_of_this_machine_or_the_configured_ones(
    settings: dict[str, Any], origin: str, allowed: bool
) -> None:
    asked = await preflight(origin, {}, **settings)
    async with client(**settings) as browser:
        read = await browser.get("/", headers={"Origin": origin})
    for answered in (asked, read):
        told = answered.headers.get("access-control-allow-origin")
        assert told == (origin if allowed else None)
        assert "Origin" in answered.headers.get("vary", "") or not allowed
    assert read.text == "in", "reading is the browser's to refuse"
    if not allowed:
        assert (asked.status_code, asked.json()["code"]) == (403, "foreign_origin")


async def test_a_page_may_reach_a_private_network() -> None:
    told = await preflight(LOCAL, {"Access-Control-Request-Private-Network": "true"})
    assert told.headers["access-control-allow-private-network"] == "true"
    refused = await preflight(
        "https://x.example", {"Access-Control-Request-Private-Network": "true"}
    )
    assert (refused.status_code, refused.json()["code"]) == (403, "foreign_origin")


@pytest.mark.parametrize("status", ["200", "401", "429"])
async def test_scripts_may_read_limits_and_places_of_refusals_too(status: str) -> None:
    async with client() as browser:
        read = await browser.get("/", params={"status": status}, headers={"Origin": LOCAL})
    exposed = {*read.headers["access-control-expose-headers"].split(", ")}
    assert exposed >= {"Retry-After", "Location", "ETag", "Content-Range", "X-RateLimit-Remaining"}


async def test_options_that_ask_for_nothing_pass() -> None:
    async with client() as browser:
        assert (await browser.options("/")).status_code == 405
        assert (await browser.options("/", headers={"Origin": LOCAL})).status_code == 405
