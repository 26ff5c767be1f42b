"""Only public addresses over https, and the address that was checked is the one connected to."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import httpx
import pytest

from server.source_errors import ForbiddenAddress
from server.sources.addresses import GuardedTransport, is_public
from server.sources.client import SourceClient, read
from tests.fake_sources import FakeSources, answer


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::7f00:1",
        "64:ff9b:1::7f00:1",
        "::7f00:1",
        "::808:808",
        "::ffff:0:127.0.0.1",
        "fec0::1",
    ],
)
def test_what_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_what_is_public(address: str) -> None:
    assert is_public(address)


class Names:
    """A name server of one's own; every look-up takes the next answer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
        self.asked: list[str] = []
        self._answers = list(answers)
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "getaddrinfo", self._look_up)

    async def _look_up(self, host: str, port: int | None, **options: Any) -> list[Any]:
        self.asked.append(host)
        addresses = self._answers.pop(0) if self._answers else ["127.0.0.1"]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses]


class Recorder(httpx.AsyncBaseTransport):
    """Notes the requests; connections to some hosts fail."""

    def __init__(self, *dead: str) -> None:
        self.requests: list[httpx.Request] = []
        self._dead = dead

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if request.url.host in self._dead:
            raise httpx.ConnectError("nobody there")
        return httpx.Response(200)


def guarded(recorder: Recorder, *, allow_private: bool = False) -> GuardedTransport:
    transport = GuardedTransport(allow_private=allow_private)
    transport._inner = recorder
    return transport


async def test_the_checked_address_is_connected_to_under_the_hosts_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = Names(monkeypatch, ["1.1.1.1"], ["127.0.0.1"])
    recorder = Recorder()
    await guarded(recorder).handle_async_request(httpx.Request("GET", "https://example.org:8443/x"))
    (request,) = recorder.requests
    assert str(request.url) == "https://1.1.1.1:8443/x"
    assert request.headers["Host"] == "example.org:8443"
    assert request.extensions["sni_hostname"] == "example.org"
    assert names.asked == ["example.org"], "looked up once: a second answer could differ"


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["1.1.1.1", "10.0.0.1"]])
async def test_one_private_address_is_enough_to_refuse(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    Names(monkeypatch, addresses)
    recorder = Recorder()
    with pytest.raises(ForbiddenAddress, match="allow_private_sources"):
        request = httpx.Request("GET", "https://example.org/x?token=secret")
        await guarded(recorder).handle_async_request(request)
    assert recorder.requests == []


async def test_the_next_address_is_tried_when_one_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    Names(monkeypatch, ["::1", "127.0.0.1"])
    recorder = Recorder("::1")
    transport = guarded(recorder, allow_private=True)
    await transport.handle_async_request(httpx.Request("GET", "http://example.org/x"))
    assert [request.url.host for request in recorder.requests] == ["::1", "127.0.0.1"]
    Names(monkeypatch, ["::1"])
    with pytest.raises(httpx.ConnectError):
        await transport.handle_async_request(httpx.Request("GET", "http://example.org/x"))


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433"])
async def test_loopback_is_refused_by_default(fake: FakeSources, scheme: str, host: str) -> None:
    port = httpx.URL(fake.hub_url).port
    async with SourceClient(fake.sites()) as client:
        with pytest.raises(ForbiddenAddress):
            async with client.get(f"{scheme}://{host}:{port}/x"):
                pass
    assert fake.seen == []


async def test_every_hop_is_checked(fake: FakeSources, monkeypatch: pytest.MonkeyPatch) -> None:
    """A public page redirects to a private one; here `localhost` plays the public part."""
    monkeypatch.setattr("server.sources.addresses.is_public", lambda address: address != "::2")
    fake.fail("/start", answer(302, Location="https://[::2]/x"))
    async with SourceClient(fake.sites()) as client:
        monkeypatch.setattr(GuardedTransport, "_check_scheme", lambda self, url: None)
        with pytest.raises(ForbiddenAddress, match="::2"):
            async with client.get(f"{fake.hub_url}/start") as response:
                await read(response, 100)
    assert len(fake.seen) == 1
