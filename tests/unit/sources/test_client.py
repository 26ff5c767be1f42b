"""Keys that stay at home, patience, and what sites' refusals mean."""

from __future__ import annotations

import asyncio
import socket
import time
from email.utils import formatdate
from pathlib import Path

import httpx
import pytest
from pydantic import BaseModel

from server.source_errors import (
    ForbiddenAddress,
    OfflineSource,
    SourceFailed,
    SourceMissing,
    SourceRemoved,
    SourceUnauthorized,
    SourceUnreachable,
)
from server.sources.client import RETRIES, SourceClient, read
from server.sources.refusals import refusal
from server.sources.sites import Sites
from tests.fake_sources import CIVITAI_KEY, HUB_KEY, FakeSources, answer, redirect, weights


class Anything(BaseModel):
    value: int = 0


async def body(client: SourceClient, url: str) -> bytes:
    async with client.get(url) as response:
        return await read(response, 10_000)


# --- keys ----------------------------------------------------------------------------------


async def test_a_key_goes_to_its_own_site_only(fake: FakeSources, client: SourceClient) -> None:
    data = weights()
    fake.add_repository("org/name", {"x.safetensors": data})
    fake.add_version(456, 123, data)
    assert await body(client, f"{fake.hub_url}/org/name/resolve/main/x.safetensors") == data
    assert await body(client, f"{fake.civitai_url}/api/download/models/456") == data
    sent = {(seen.host, seen.headers.get("Authorization")) for seen in fake.seen}
    hosts = [httpx.URL(url).netloc.decode() for url in (fake.hub_url, fake.civitai_url)]
    assert sent == {
        (hosts[0], f"Bearer {HUB_KEY}"),
        (hosts[1], f"Bearer {CIVITAI_KEY}"),
        (httpx.URL(fake.files_url).netloc.decode(), None),
    }


async def test_the_file_host_refuses_keys(fake: FakeSources) -> None:
    data = weights()
    fake.blobs["x"] = data
    async with httpx.AsyncClient() as http:
        url, headers = f"{fake.files_url}/blobs/x", {"Authorization": "Bearer x"}
        assert (await http.get(url, headers=headers)).status_code == 400


async def test_another_name_of_the_same_server_gets_no_key(
    fake: FakeSources, client: SourceClient
) -> None:
    port = httpx.URL(fake.hub_url).port
    fake.fail("/start", redirect(f"http://localhost:{port}/next"))
    fake.fail("/next", answer(200, b"{}"))
    await client.read(f"{fake.hub_url}/start", Anything)
    sent = [seen.headers.get("Authorization") for seen in fake.seen]
    assert sent == [f"Bearer {HUB_KEY}", None]


async def test_another_port_of_the_same_name_gets_its_own_key_only(
    fake: FakeSources, client: SourceClient
) -> None:
    fake.fail("/start", redirect(f"{fake.civitai_url}/next"))
    fake.fail("/next", answer(200, b"{}"))
    await client.read(f"{fake.hub_url}/start", Anything)
    sent = [seen.headers.get("Authorization") for seen in fake.seen]
    assert sent == [f"Bearer {HUB_KEY}", f"Bearer {CIVITAI_KEY}"]


async def test_redirects_come_to_an_end(fake: FakeSources, client: SourceClient) -> None:
    fake.fail("/circle", *[redirect("/circle")] * 20)
    with pytest.raises(SourceFailed, match="circles"):
        await client.read(f"{fake.hub_url}/circle", Anything)


async def test_a_redirect_to_another_scheme_is_refused(
    fake: FakeSources, client: SourceClient
) -> None:
    fake.fail("/start", redirect("ftp://127.0.0.1/x"))
    with pytest.raises(ForbiddenAddress):
        await client.read(f"{fake.hub_url}/start", Anything)


def test_the_environment_tells_sites_and_keys(tmp_path: Path) -> None:
    nothing = Sites.from_environment(environment={"HF_HOME": str(tmp_path)})
    assert (nothing.hub.url, nothing.hub.key) == ("https://huggingface.co", None)
    assert (nothing.civitai.url, nothing.civitai.key) == ("https://civitai.com", None)
    assert (nothing.hub_cache, nothing.offline) == (tmp_path / "hub", False)
    (tmp_path / "token").write_text("stored\n")
    named = {
        "HF_HOME": str(tmp_path),
        "HF_ENDPOINT": "https://mirror.example.org/",
        "HF_HUB_CACHE": str(tmp_path / "elsewhere"),
        "HF_HUB_OFFLINE": "1",
        "CIVITAI_API_KEY": "secret",
    }
    sites = Sites.from_environment("https://civitai.example.org", named)
    assert (sites.hub.url, sites.hub.key) == ("https://mirror.example.org", "stored")
    assert (sites.civitai.url, sites.civitai.key) == ("https://civitai.example.org", "secret")
    assert (sites.hub_cache, sites.offline) == (tmp_path / "elsewhere", True)
    assert Sites.from_environment(environment={**named, "HF_TOKEN": "given"}).hub.key == "given"
    assert "stored" not in repr(sites) and "secret" not in repr(sites)


@pytest.mark.parametrize("host", ["a..b", f"{'a' * 70}.example.org"])
async def test_a_name_that_cannot_be_one_is_refused_at_once(
    fake: FakeSources, client: SourceClient, host: str
) -> None:
    fake.fail("/start", *[redirect(f"https://{host}/x")] * 2)
    with pytest.raises(SourceFailed, match="address") as caught:
        await client.read(f"{fake.hub_url}/start", Anything)
    assert type(caught.value) is SourceFailed
    assert len(fake.seen) == 1, "another try would not help"


# --- patience ------------------------------------------------------------------------------


async def test_a_busy_site_is_asked_again(fake: FakeSources, client: SourceClient) -> None:
    fake.models[1] = {"id": 1, "value": 5}
    path = "/api/v1/models/1"
    moment = formatdate(time.time() - 5, usegmt=True)
    busy = [answer(429, Retry_After="0"), answer(503, Retry_After=moment), answer(502)]
    fake.fail(path, *busy)
    assert (await client.read(fake.civitai_url + path, Anything)).value == 5
    assert len(fake.seen) == 4


async def test_patience_ends(fake: FakeSources, client: SourceClient) -> None:
    fake.fail("/x", *[answer(500)] * 20)
    with pytest.raises(SourceUnreachable, match="answered 500"):
        await client.read(f"{fake.hub_url}/x", Anything)
    assert len(fake.seen) == RETRIES + 1


async def test_the_pause_is_what_the_site_asks_for_up_to_a_limit(
    fake: FakeSources, client: SourceClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    async def note(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr("asyncio.sleep", note)
    later = formatdate(time.time() + 1000, usegmt=True)
    asked = ["7", later, "soon", "1.5"]
    faults = [answer(429, Retry_After=text) for text in asked]
    fake.models[1] = {"id": 1}
    fake.fail("/api/v1/models/1", *faults, answer(500))
    await client.read(f"{fake.civitai_url}/api/v1/models/1", Anything)
    assert pauses == [7.0, 60.0, 0.04, 0.08, 0.16]


async def test_a_body_that_cannot_be_decoded_is_a_failure_that_may_pass(
    fake: FakeSources, client: SourceClient
) -> None:
    fake.fail("/x", answer(200, b"not gzip", Content_Encoding="gzip"), answer(200, b"{}"))
    await client.read(f"{fake.hub_url}/x", Anything)
    assert len(fake.seen) == 2


async def test_an_answer_that_drips_is_not_waited_for(
    fake: FakeSources, client: SourceClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.sources.client.LONGEST_ANSWER", 0.2)
    monkeypatch.setattr("server.sources.client.RETRIES", 0)
    fake.fail("/x", fake.drip(b"{}" + b" " * 1000, 0.02))
    with pytest.raises(SourceUnreachable, match="too slowly"):
        await client.read(f"{fake.hub_url}/x", Anything)


async def test_nobody_there(client: SourceClient) -> None:
    with pytest.raises(SourceUnreachable, match="cannot be reached"):
        await client.read("http://127.0.0.1:1/x", Anything)


async def test_nothing_is_said_to_be_kept_where_nothing_was(client: SourceClient) -> None:
    with pytest.raises(SourceUnreachable) as caught:
        await client.read("http://127.0.0.1:1/x", Anything)
    assert "kept" not in caught.value.message


async def test_a_name_that_nobody_knows(
    client: SourceClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unknown(*place: object, **options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    with pytest.raises(SourceUnreachable, match="not known"):
        await client.read("http://example.org/x", Anything)


async def test_offline_nothing_is_asked(fake: FakeSources) -> None:
    async with fake.client(offline=True) as client:
        with pytest.raises(OfflineSource, match="HF_HUB_OFFLINE"):
            await client.read(f"{fake.hub_url}/x?token=secret", Anything)
    assert fake.seen == []


# --- refusals ------------------------------------------------------------------------------


async def test_a_private_repository_is_missing_for_strangers(fake: FakeSources) -> None:
    fake.add_repository("org/name", {}, private=True)
    url = f"{fake.hub_url}/api/models/org/name/revision/main"
    async with fake.client(keys=False) as client:
        with pytest.raises(SourceMissing, match=r"/org/name .*HF_TOKEN"):
            await client.read(url, Anything)
    async with fake.client() as client:
        await client.read(url, Anything)


@pytest.mark.parametrize(
    ("status", "told", "kind", "words"),
    [
        (401, {}, SourceUnauthorized, "wants a key: set HF_TOKEN"),
        (404, {"error": "Model not found"}, SourceMissing, "Model not found"),
        (410, {}, SourceRemoved, "was taken away"),
        (400, {"error": "Invalid id"}, SourceFailed, r"400 \(it says: Invalid id\)"),
        (403, {"message": "blocked"}, SourceUnauthorized, "blocked"),
    ],
)
def test_a_refusal_says_what_to_do(
    status: int, told: dict[str, str], kind: type[SourceFailed], words: str
) -> None:
    request = httpx.Request("GET", "https://huggingface.co/org/name?token=secret")
    response = httpx.Response(status, json=told, request=request)
    site = Sites.from_environment(environment={"HF_HOME": "/nowhere"}).hub
    error = refusal(response, response.content, site)
    assert type(error) is kind and "secret" not in error.message
    with pytest.raises(kind, match=words):
        raise error


@pytest.mark.parametrize("status", [401, 403, 404, 418, 500])
async def test_a_password_that_a_redirect_brings_is_not_shown(
    fake: FakeSources, client: SourceClient, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr("server.sources.client.RETRIES", 0)
    port = httpx.URL(fake.hub_url).port
    fake.fail("/start", redirect(f"http://user:hunter2@127.0.0.1:{port}/next?sig=hunter2"))
    fake.fail("/next", answer(status, b"{}", X_Error_Code="GatedRepo" if status == 403 else ""))
    with pytest.raises(SourceFailed) as caught:
        await client.read(f"{fake.hub_url}/start", Anything)
    assert "hunter2" not in caught.value.message


def test_a_refusal_nested_without_end_is_a_refusal() -> None:
    request = httpx.Request("GET", "https://huggingface.co/org/name")
    error = refusal(httpx.Response(403, request=request), b"[" * 60_000, None)
    assert type(error) is SourceUnauthorized


def test_a_stranger_that_refuses_wants_no_key_of_ours() -> None:
    request = httpx.Request("GET", "https://files.example.org/x")
    error = refusal(httpx.Response(403, request=request), b"<xml>", None)
    assert "local file" in error.message and "KEY" not in error.message
