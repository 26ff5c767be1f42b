"""Who may talk to a server without keys."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import Message

from server.config import Settings
from server.http.hosts import HostGuard
from server.http.origins import is_loopback, parse_origin


def guard(**settings: Any) -> HostGuard:
    return HostGuard(PlainTextResponse("in"), Settings(**settings))


async def status(
    app: HostGuard, host: str, method: str = "GET", origin: str | None = None, scheme: str = "http"
) -> int:
    headers = {"Host": host, **({"Origin": origin} if origin is not None else {})}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=f"{scheme}://server") as client:
        answer = await client.request(method, "/", headers=headers)
    assert answer.status_code == 200 or answer.json()["code"].startswith("foreign_")
    return answer.status_code


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "localhost:8000", "LocalHost:1", "localhost.", "127.0.0.1:8000", "127.9.9.9",
        "[::1]:8000", "[::1]",
    ],
)  # fmt: skip
async def test_loopback_passes(host: str) -> None:
    assert await status(guard(), host) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example",
        "10.0.0.1", "[::2]", "", ":8000", "a@localhost", "localhost/x", "[", "localhost:x", "0",
    ],
)  # fmt: skip
async def test_everything_else_does_not(host: str) -> None:
    assert await status(guard(), host) == 403


async def test_a_host_is_named_once() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    for hosts in ([], [b"localhost", b"evil.example"]):
        sent.clear()
        scope = {"type": "http", "method": "GET", "headers": [(b"host", host) for host in hosts]}
        await guard()(scope, _nothing, send)
        assert sent[0]["status"] == 403


@pytest.mark.parametrize(
    ("settings", "host"),
    [
        ({"allowed_hosts": ("pictures.example",)}, "Pictures.Example:8000"),
        ({"base_url": "https://pictures.example/"}, "pictures.example"),
        ({"host": "192.168.1.5"}, "192.168.1.5:8000"),
        ({"host": "fd00::1"}, "[fd00::1]:8000"),
        ({"insecure": True}, "anything.example"),
    ],
)
async def test_configured_hosts_pass(settings: dict[str, Any], host: str) -> None:
    assert await status(guard(**settings), host) == 200
    assert await status(guard(), host) == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "ODD"])
@pytest.mark.parametrize(
    "origin",
    ["null", "http://evil.example", "http://localhost.evil.example", "", "localhost:8000"],
)
async def test_a_page_of_another_origin_changes_nothing(method: str, origin: str) -> None:
    assert await status(guard(), "localhost:8000", method, origin) == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "ODD"])
@pytest.mark.parametrize(
    "origin", ["http://localhost:8001", "https://localhost:8000", "http://127.0.0.1:8000"]
)
async def test_other_pages_of_this_machine_pass_unless_origins_are_configured(
    method: str, origin: str
) -> None:
    assert await status(guard(), "localhost:8000", method, origin) == 200
    closed = guard(allowed_origins=())
    assert await status(closed, "localhost:8000", method, origin) == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_a_page_of_another_origin_may_ask(method: str) -> None:
    assert await status(guard(), "localhost:8000", method, "http://evil.example") == 200


@pytest.mark.parametrize(
    ("settings", "scheme", "host", "origin"),
    [
        ({}, "http", "localhost:8000", "http://localhost:8000"),
        ({}, "http", "localhost", "http://localhost:80"),
        ({}, "https", "localhost", "https://localhost"),
        ({"allowed_origins": ("https://app.example",)}, "http", "localhost", "https://app.example"),
        ({"base_url": "https://p.example"}, "http", "p.example", "https://p.example"),
        ({"insecure": True}, "http", "some.lan:8000", "http://some.lan:8000"),
    ],
)
async def test_own_and_allowed_origins_may_change(
    settings: dict[str, Any], scheme: str, host: str, origin: str
) -> None:
    assert await status(guard(**settings), host, "POST", origin, scheme) == 200


async def test_insecure_still_asks_for_the_own_origin() -> None:
    app = guard(insecure=True)
    assert await status(app, "some.lan", "POST", "http://evil.example") == 403


async def test_without_an_origin_it_is_no_browser() -> None:
    assert await status(guard(), "localhost", "POST") == 200


@pytest.mark.parametrize(
    ("origin", "admitted"), [(b"http://evil.example", False), (b"http://localhost", True)]
)
async def test_websockets_are_asked_too(origin: bytes, admitted: bool) -> None:
    sent: list[Message] = []
    entered = []

    async def app(*_: Any) -> None:
        entered.append(True)

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"origin", origin)]
    scope = {"type": "websocket", "scheme": "ws", "headers": headers}
    await HostGuard(app, Settings())(scope, _nothing, send)
    assert bool(entered) is admitted
    assert [message["type"] for message in sent] == ([] if admitted else ["websocket.close"])


# --- with keys -----------------------------------------------------------------------------


async def asks(connection: HTTPConnection) -> bool:
    return True


@pytest.mark.parametrize(
    ("host", "origin", "cookie", "expected"),
    [
        ("192.168.1.5:8000", None, "", 200),
        ("192.168.1.5:8000", "http://evil.example", "", 200),
        ("192.168.1.5:8000", "http://evil.example", "darkroom_session=x", 403),
        ("192.168.1.5:8000", "http://192.168.1.5:9000", "darkroom_session=x", 403),
        ("192.168.1.5:8000", "http://192.168.1.5:8000", "darkroom_session=x", 200),
    ],
)
async def test_who_needs_a_key_may_use_any_name_but_no_page_anothers_session(
    host: str, origin: str | None, cookie: str, expected: int
) -> None:
    app = HostGuard(PlainTextResponse("in"), Settings(), asks)
    headers = {"Host": host, "Cookie": cookie, **({"Origin": origin} if origin else {})}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://server"
    ) as client:
        assert (await client.post("/", headers=headers)).status_code == expected


async def test_the_addresses_of_other_listeners_pass() -> None:
    listen = ({"dialect": "a", "port": 5050, "host": "192.168.1.5"},)
    assert await status(guard(listen=listen), "192.168.1.5:5050") == 200
    assert await status(guard(listen=listen), "192.168.1.6:5050") == 403


async def test_every_page_where_the_settings_say_so() -> None:
    assert await status(guard(allowed_origins=("*",)), "localhost", "POST", "https://x.org") == 200


async def test_the_lifespan_passes() -> None:
    entered = []

    async def app(*_: Any) -> None:
        entered.append(True)

    await HostGuard(app, Settings())({"type": "lifespan"}, _nothing, _nothing)
    assert entered


def test_origins_have_default_ports() -> None:
    assert parse_origin("https://a.example") == parse_origin("https://A.example.:443/x")
    assert parse_origin("http://a:99999") is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [("localhost", True), ("::1", True), ("127.1.2.3", True), ("0.0.0.0", False), ("x", False)],
)
def test_loopback_names(name: str, expected: bool) -> None:
    assert is_loopback(name) is expected


async def _nothing(*_: Any) -> Any:
    raise AssertionError("nothing is received or sent here")
