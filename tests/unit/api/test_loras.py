"""LoRAs over HTTP: list, look at, change, delete, look again; and those that a model can use."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from server.lora_choices import LoraChoices
from server.loras.index import LoraIndex
from tests.serving import LiveServer, conform, live_server, problem, until
from tests.support import TESTS

BUNDLED = TESTS.parent / "model_plugins" / "postcard" / "loras"

#: Longer than any picture's beginning that somebody might look at.
PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(100)
PICTURES = {"image/png": PICTURE, "image/jpeg": b"\xff\xd8\xff" + bytes(100)}
PICTURES["image/webp"] = b"RIFF\0\0\0\0WEBP" + bytes(100)


def drop(server: LiveServer, name: str, seed: int = 0) -> Path:
    """Put a LoRA of numbers of its own into the folder, and let it be listed."""
    content = bytearray((BUNDLED / "neon.safetensors").read_bytes())
    content[-8:] = seed.to_bytes(8, "little")
    path = server.service.settings.folders.loras / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    moment = path.stat().st_mtime_ns - 10_000_000_000
    os.utime(path, ns=(moment, moment))
    rescan(server)
    return path


def rescan(server: LiveServer) -> dict[str, Any]:
    answer = server.client.post("/api/loras/rescan")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Each test has LoRAs of its own in it."""
    with live_server(tmp_path_factory.mktemp("data"), watch_loras=False) as running:
        yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Its LoRAs stay as they are."""
    with live_server(tmp_path_factory.mktemp("data"), watch_loras=False) as running:
        drop(running, "styles/Ink_civitai-5.safetensors", 1)
        page = running.service.settings.folders.loras / "page.safetensors"
        page.write_bytes(b"<!DOCTYPE html>")
        os.utime(page, (0, 0))
        rescan(running)
        yield running


def listed(server: LiveServer, **query: Any) -> list[str]:
    """The names of LoRAs."""
    page = server.client.get("/api/loras", params=query).json()
    return [lora["name"] for lora in page["loras"]]


def test_lists_all_of_them_by_name(shared: LiveServer) -> None:
    page = shared.client.get("/api/loras").json()
    conform(shared, "LoraPage", page)
    assert [lora["filename"] for lora in page["loras"]] == [
        *("inkwash.safetensors", "styles/Ink_civitai-5.safetensors", "neon.safetensors"),
        "page.safetensors",
    ]
    assert (page["total"], page["limit"], page["offset"], page["next_cursor"]) == (4, 50, 0, None)


def test_none_of_them_tells_where_the_server_keeps_it(shared: LiveServer) -> None:
    folder = str(shared.service.settings.folders.loras)
    for path in ("/api/loras", "/api/info?model=postcard"):
        text = shared.client.get(path).text
        assert folder not in text and str(BUNDLED) not in text


def test_what_no_model_can_use_is_listed_with_the_reason(shared: LiveServer) -> None:
    lora = shared.client.get("/api/loras/page").json()
    conform(shared, "Lora", lora)
    assert lora["family"] is None and "no safetensors file" in lora["unsupported"]


def test_searches_filters_and_pages(shared: LiveServer) -> None:
    assert listed(shared, q="ink WASH") == ["Ink wash"]
    assert listed(shared, family="postcard") == listed(shared, model="postcard")
    assert len(listed(shared, model="postcard")) == 3
    assert listed(shared, family="nobody") == listed(shared, model="colors") == []
    assert listed(shared, family="nobody", model="postcard") == []
    first = shared.client.get("/api/loras?limit=3").json()
    rest = shared.client.get("/api/loras", params={"limit": 3, "cursor": first["next_cursor"]})
    assert [lora["name"] for lora in first["loras"] + rest.json()["loras"]] == listed(shared)
    assert listed(shared, offset=3) == listed(shared)[3:]
    problem(shared.client.get("/api/loras?cursor=x"), 422, "invalid_parameters")
    problem(shared.client.get("/api/loras?model=nobody"), 404, "model_not_found")


@pytest.mark.parametrize("name", ["civitai_5", "Ink_civitai-5", "ink_CIVITAI-5.safetensors"])
def test_one_by_any_of_its_names(shared: LiveServer, name: str) -> None:
    lora = shared.client.get(f"/api/loras/{name}").json()
    conform(shared, "Lora", lora)
    assert (lora["id"], lora["version_id"], lora["family"]) == ("civitai_5", 5, "postcard")
    assert (lora["network_type"], lora["rank"], lora["alpha"]) == ("locon", 8, 8.0)


def test_an_unknown_one(shared: LiveServer) -> None:
    path = "/api/loras/inkwosh"
    for answer in (
        shared.client.get(path), shared.client.patch(path, json={}), shared.client.delete(path),
        shared.client.get(f"{path}/preview"),
    ):  # fmt: skip
        assert "`inkwash`" in problem(answer, 404, "lora_not_found")["detail"]


def test_info_has_those_that_the_model_can_use(shared: LiveServer) -> None:
    info = shared.client.get("/api/info?model=postcard").json()
    conform(shared, "Info", info)
    assert info["loras"] == info["available_loras"]
    assert [lora["id"] for lora in info["loras"]] == [
        lora["id"] for lora in shared.client.get("/api/loras?family=postcard").json()["loras"]
    ]
    neon = next(lora for lora in info["loras"] if lora["filename"] == "neon.safetensors")
    assert (neon["name"], neon["trigger_words"], neon["bundled"]) == ("Neon", ["neon"], True)
    assert (neon["weight"], neon["trigger_weight"]) == (1.0, 0.5)
    assert shared.client.get("/api/info?model=colours").json()["loras"] == []


def test_changes_last_until_they_are_taken_back(server: LiveServer) -> None:
    path = drop(server, "x.safetensors", 11)
    changes = {
        "name": "Mine",
        "trigger_words": ["glow", "at night"],
        "weight": -0.5,
        "trigger_weight": 2,
        "notes": "two\nlines",
    }
    changed = server.client.patch("/api/loras/x", json=changes)
    conform(server, "Lora", changed.json())
    assert changed.status_code == 200 and changed.json().items() >= changes.items()
    path.rename(path.with_name("y.safetensors"))
    rescan(server)
    assert server.client.get("/api/loras/y").json().items() >= changes.items()
    info = server.client.get("/api/info?model=postcard").json()["loras"]
    assert [lora["weight"] for lora in info if lora["name"] == "Mine"] == [-0.5]
    none = dict.fromkeys(changes)
    reset = server.client.patch("/api/loras/y", json=none).json()
    assert (reset["name"], reset["trigger_words"], reset["notes"]) == ("Neon", ["neon"], "")
    assert (reset["weight"], reset["trigger_weight"]) == (1.0, 0.5)


def test_nothing_changes_by_an_empty_change(shared: LiveServer) -> None:
    before = shared.client.get("/api/loras/neon").json()
    assert shared.client.patch("/api/loras/neon", json={}).json() == before


@pytest.mark.parametrize(
    ("changes", "loc"),
    [
        ({"weight": 2.5}, ["weight"]),
        ({"weight": "1"}, ["weight"]),
        ({"trigger_weight": -1}, ["trigger_weight"]),
        ({"name": "  "}, ["name"]),
        ({"trigger_words": ["ok", ""]}, ["trigger_words", 1]),
        ({"trigger_words": "neon"}, ["trigger_words"]),
        ({"sha256": "0"}, ["sha256"]),
    ],
)
def test_changes_that_cannot_be(
    shared: LiveServer, changes: dict[str, Any], loc: list[str | int]
) -> None:
    before = shared.client.get("/api/loras/neon").json()
    body = problem(shared.client.patch("/api/loras/neon", json=changes), 422, "invalid_parameters")
    assert [error["loc"] for error in body["errors"]] == [loc]
    assert shared.client.get("/api/loras/neon").json() == before


def test_changes_that_are_no_json_object(shared: LiveServer) -> None:
    patch, path = shared.client.patch, "/api/loras/neon"
    problem(patch(path, content=b"{"), 400, "malformed_request")
    problem(patch(path, json=[1]), 400, "malformed_request")
    answer = patch(path, content=b"{}", headers={"Content-Type": "text/plain"})
    problem(answer, 415, "unsupported_media_type")


def test_deleting_forgets_and_with_the_file_removes(server: LiveServer) -> None:
    path = drop(server, "x.safetensors", 12)
    beside = path.with_name("x.preview.png")
    beside.write_bytes(PICTURE)
    server.client.patch("/api/loras/x", json={"name": "Mine"})
    assert server.client.delete("/api/loras/x").status_code == 204
    assert server.client.get("/api/loras/x").json()["name"] == "Neon" and path.is_file()
    rescan(server)
    assert server.client.delete("/api/loras/x?file=true").status_code == 204
    assert not path.exists() and not beside.exists()
    problem(server.client.get("/api/loras/x"), 404, "lora_not_found")


def test_a_job_gets_the_contents_that_it_names_or_none(server: LiveServer) -> None:
    path = drop(server, "gone.safetensors", 13)
    body = {"model": "postcard", "prompt": "a lake", "loras": [{"id": "gone"}]}
    server.client.post("/api/queue/pause")
    job = server.client.post("/api/generate", json=body).json()["job_id"]
    stamp = path.stat()
    path.write_bytes(path.read_bytes()[:-8] + bytes(8))  # another LoRA, whose stamp is the same
    os.utime(path, ns=(stamp.st_mtime_ns, stamp.st_mtime_ns))
    server.client.post("/api/queue/resume")
    until(lambda: server.client.get(f"/api/jobs/{job}").json()["status"] in ("failed", "completed"))
    assert server.client.get(f"/api/jobs/{job}").json()["error"]["code"] == "lora_missing"


def test_what_came_with_a_family_stays(shared: LiveServer) -> None:
    answer = shared.client.delete("/api/loras/neon?file=true")
    assert "`postcard`" in problem(answer, 409, "lora_bundled")["detail"]
    assert (BUNDLED / "neon.safetensors").is_file()
    assert "Neon" in listed(shared)


@pytest.mark.parametrize(
    ("ending", "media_type"),
    [(".preview.png", "image/png"), (".jpeg", "image/jpeg"), (".jpg", "image/webp")],
)
def test_pictures(server: LiveServer, ending: str, media_type: str) -> None:
    name = ending.replace(".", "_")
    path = drop(server, f"{name}.safetensors", len(ending))
    problem(server.client.get(f"/api/loras/{name}/preview"), 404, "lora_preview_not_found")
    picture = path.with_name(f"{name}{ending}")
    content = PICTURES[media_type]
    picture.write_bytes(content)
    assert rescan(server)["changed"] == 1
    url = server.client.get(f"/api/loras/{name}").json()["preview_url"]
    answer = server.client.get(url)
    assert (answer.content, answer.headers["content-type"]) == (content, media_type)
    assert answer.headers["x-content-type-options"] == "nosniff"
    known = {"If-None-Match": answer.headers["etag"]}
    assert server.client.get(url, headers=known).status_code == 304
    assert server.client.head(url).headers["content-length"] == str(len(content))
    picture.write_bytes(content * 2)
    assert server.client.get(url, headers=known).content == content * 2
    picture.write_bytes(b"<svg/>")
    problem(server.client.get(url), 404, "lora_preview_not_found")
    picture.unlink()
    problem(server.client.get(url), 404, "lora_preview_not_found")


def test_nobody_waits_while_loras_are_looked_up(
    shared: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_loop = []

    def noting(method: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any, **kwargs: Any) -> Any:
            on_loop.append((method.__name__, asyncio._get_running_loop() is not None))
            return method(*args, **kwargs)

        return noted

    monkeypatch.setattr(LoraIndex, "find", noting(LoraIndex.find))
    monkeypatch.setattr(LoraIndex, "page", noting(LoraIndex.page))
    monkeypatch.setattr(LoraChoices, "usable", noting(LoraChoices.usable))
    path = "/api/loras/inkwosh"
    for answer in (
        shared.client.get(path), shared.client.patch(path, json={}), shared.client.delete(path),
        shared.client.get(f"{path}/preview"),
    ):  # fmt: skip
        assert answer.status_code == 404
    assert shared.client.get("/api/loras").status_code == 200
    assert shared.client.get("/api/info?model=postcard").status_code == 200
    assert {name for name, _ in on_loop} == {"find", "page", "usable"}
    assert [name for name, there in on_loop if there] == []


def test_looking_again_tells_what_it_found(server: LiveServer) -> None:
    rescan(server)  # what other tests have changed
    summary = rescan(server)
    conform(server, "RescanSummary", summary)
    nothing = dict.fromkeys(("added", "removed", "changed", "incomplete"), 0)
    assert summary.items() >= nothing.items() and summary["unchanged"] == summary["total"] >= 2
    path = server.service.settings.folders.loras / "part.safetensors"
    path.write_bytes((BUNDLED / "neon.safetensors").read_bytes()[:-1])
    os.utime(path, (0, 0))
    named = {"incomplete": 1, "incomplete_files": ["part.safetensors"]}
    assert rescan(server) == {**summary, **named}
    problem(server.client.get("/api/loras/part"), 404, "lora_not_found")
    path.unlink()
    assert rescan(server) == summary
