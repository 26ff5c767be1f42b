"""Folders: where images are stored, and which files requests may name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from server.image_sources import data_uri
from tests.dialects.desktop.conftest import GREEN
from tests.serving import LiveServer, live_server

GENERATE = "/api/generate/text-to-image"
TRANSFORM = "/api/generate/image-to-image"
SETTINGS = "/api/settings"
SMALL = {"prompt": "red hills", "width": 64, "height": 64, "steps": 1}


@pytest.fixture(autouse=True)
def unchanged(server: LiveServer) -> Iterator[None]:
    """What a test sets holds for that test."""
    yield
    server.client.put(SETTINGS, json={"storagePath": "./generated", "defaultSteps": 25})


def transformed(server: LiveServer, source: str) -> httpx.Response:
    body = {"seedImage": source, "prompt": "x", "steps": 2}
    return server.client.post(TRANSFORM, json=body)


def generated(server: LiveServer) -> tuple[dict[str, Any], Path]:
    """An image, and where its file lies."""
    answer = server.client.post(GENERATE, json=SMALL)
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    record = server.client.get("/api/images?limit=1").json()["images"][0]
    assert record["id"] == data["id"]
    below = server.service.settings.folders.database.parents[1]
    (place,) = {path for path in below.rglob(record["filename"]) if path.parent.name != "thumbs"}
    return data, place


# --- images that requests begin with -------------------------------------------------------------


@pytest.mark.parametrize("written", ["{root}/allowed/green.png", "green.png", "./green.png"])
def test_a_path_in_an_allowed_folder(server: LiveServer, root: Path, written: str) -> None:
    answer = transformed(server, written.format(root=root))
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    image = Image.open(BytesIO(server.client.get(data["url"]).content)).convert("RGB")
    assert image.size == (96, 64)
    assert image.getpixel((0, 0)) == GREEN


def test_a_data_uri_of_any_kind(server: LiveServer) -> None:
    turned = BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    Image.new("RGB", (128, 64), GREEN).save(turned, "JPEG", exif=exif)
    uri = data_uri(turned.getvalue()).replace("image/png", "image/jpg;charset=utf-8")
    answer = transformed(server, uri)
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["parameters"].items() >= {"width": 64, "height": 128}.items()


@pytest.mark.parametrize(
    "written",
    [
        "generated/image_{id}.png",
        "./generated/image_{id}.png",
        "http://127.0.0.1:{port}/generated/image_{id}.png",
        "http://127.0.0.1:{port}/generated/{taskId}_0.png",
    ],
)
def test_an_image_of_ours_however_it_is_written(server: LiveServer, written: str) -> None:
    data, _ = generated(server)
    answer = transformed(server, written.format(port=server.port, **data))
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    "written",
    [
        "{root}/other/green.png",
        "{root}/allowed/../other/green.png",
        "../other/green.png",
        "{root}/allowed/link.png",
        "{root}/allowed/away/green.png",
        "{root}/allowed/circle",
        "{root}/allowed",
        "{root}/allowed/pipe",
        "{root}/allowed/missing.png",
        "{root}/allowedgreen.png",
        "{root}/data/darkroom.db",
        "/etc/passwd",
        "~/green.png",
        "file://{root}/allowed/green.png",
        "http://elsewhere.example.org/generated/image_1.png",
        "a\0b",
        "x" * 300,
        "x" * 5000,
        "/dev/zero",
    ],
)
def test_other_files_are_refused_unread(server: LiveServer, root: Path, written: str) -> None:
    allowed = root / "allowed"
    if not (allowed / "pipe").exists():
        (allowed / "link.png").symlink_to(root / "other" / "green.png")
        (allowed / "away").symlink_to(root / "other")
        (allowed / "circle").symlink_to("circle")
        os.mkfifo(allowed / "pipe")
    answer = transformed(server, written.format(root=root))
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] == "INVALID_PARAMETERS"
    (told,) = answer.json()["details"]["errors"]
    assert told["field"] == "seedImage"
    assert told["message"].startswith("must be a `filePath` of this server")


def test_a_file_that_is_too_large_or_no_image(server: LiveServer, root: Path) -> None:
    (root / "allowed" / "large.png").write_bytes(bytes(200_001))
    (root / "allowed" / "notes.png").write_text("not an image")
    large = transformed(server, "large.png")
    assert large.status_code == 400 and "200000 bytes" in large.json()["error"]
    notes = transformed(server, "notes.png")
    assert notes.status_code == 400 and "no PNG, JPEG or WebP" in notes.json()["error"]


# --- where images are stored ---------------------------------------------------------------------


@pytest.mark.parametrize("path", ["./generated", "generated/", "./images"])
def test_the_folder_of_all_images(server: LiveServer, path: str) -> None:
    assert server.client.put(SETTINGS, json={"storagePath": path}).status_code == 200
    assert generated(server)[1].parent == server.service.settings.folders.images


@pytest.mark.parametrize(
    "path", ["./custom/path", "{root}/data/custom/path", "{root}/allowed/here"]
)
def test_new_images_are_stored_there_and_old_ones_stay(
    server: LiveServer, root: Path, path: str
) -> None:
    path = path.format(root=root)
    old, old_place = generated(server)
    changed = server.client.put(SETTINGS, json={"storagePath": path})
    assert changed.json()["data"]["storagePath"] == path
    new, place = generated(server)
    assert place.parent == (root / "data" / path).resolve()
    assert old_place.exists() and server.client.get(old["url"]).status_code == 200
    assert server.client.get(new["url"]).content == place.read_bytes()
    assert transformed(server, new["filePath"]).status_code == 200
    elsewhere = server.made("through the main port")["images"][0]["filename"]
    assert (server.service.settings.folders.images / elsewhere).exists(), "others' jobs are not"
    assert server.client.delete(f"/api/history/{new['id']}").status_code == 200
    assert not place.exists()
    assert server.client.delete(f"/api/history/{old['id']}").status_code == 200
    assert not old_place.exists()


@pytest.mark.parametrize(
    "path",
    [
        ".",
        "..",
        "/",
        "{root}/other",
        "../other",
        "./custom/../../other",
        "{root}/data",
        "./inputs",
        "./thumbs/below",
        "{root}/data/models",
        "{root}/allowed/green.png",
        "{root}/allowed/green.png/below",
        "./link/below",
        "a\0b",
        "x" * 300,
    ],
)
def test_a_folder_that_will_not_do_changes_nothing(
    server: LiveServer, root: Path, path: str
) -> None:
    link = root / "data" / "link"
    if not link.is_symlink():
        link.symlink_to(root / "other")
    before = server.client.get(SETTINGS).json()
    body = {"storagePath": path.format(root=root), "defaultSteps": 99}
    answer = server.client.put(SETTINGS, json=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] == "STORAGE_ERROR"
    assert "storagePath" in answer.json()["error"]
    assert server.client.get(SETTINGS).json() == before
    assert sorted(item.name for item in (root / "other").iterdir()) == ["green.png"]


def test_a_folder_that_is_gone_is_told_before_anything_is_made(server: LiveServer) -> None:
    server.client.put(SETTINGS, json={"storagePath": "./unplugged"})
    (server.service.settings.folders.images.parent / "unplugged").rmdir()
    before = server.client.get("/api/jobs").json()
    answer = server.client.post(GENERATE, json=SMALL)
    assert answer.status_code == 500
    assert answer.json()["code"] == "STORAGE_ERROR"
    assert "unplugged" in answer.json()["error"]
    assert server.client.get("/api/jobs").json() == before


def test_an_image_that_cannot_be_written(server: LiveServer) -> None:
    thumbs = server.service.settings.folders.thumbs
    thumbs.rename(thumbs.with_name("away"))
    thumbs.write_text("no folder")
    try:
        answer = server.client.post(GENERATE, json=SMALL)
    finally:
        thumbs.unlink()
        thumbs.with_name("away").rename(thumbs)
    assert answer.status_code == 500
    assert answer.json()["code"] == "STORAGE_ERROR"
    assert "could not be written" in answer.json()["error"]


# --- settings ------------------------------------------------------------------------------------


def test_defaults_are_effective_and_partial(server: LiveServer) -> None:
    change = {"defaultWidth": 128, "defaultHeight": 96.0, "defaultSteps": 3}
    try:
        assert server.client.put(SETTINGS, json=change).json()["data"]["defaultCfgScale"] == 7.5
        assert server.client.put(SETTINGS, json={"defaultCfgScale": 4}).status_code == 200
        made = server.client.post(GENERATE, json={"prompt": "hills"}).json()["data"]
        wanted = {"width": 128, "height": 96, "steps": 3, "cfgScale": 4}
        assert made["parameters"].items() >= wanted.items()
        own = server.client.post(GENERATE, json={"prompt": "hills", "steps": 25}).json()["data"]
        assert (own["parameters"]["steps"], own["parameters"]["width"]) == (25, 128)
    finally:
        usual = {"defaultWidth": 512, "defaultHeight": 512, "defaultCfgScale": 7.5}
        server.client.put(SETTINGS, json=usual)


def test_settings_survive_a_restart_and_a_forbidden_folder_is_used_no_more(tmp_path: Path) -> None:
    (tmp_path / "allowed").mkdir()
    change = {"storagePath": str(tmp_path / "allowed"), "defaultWidth": 128}
    allowed = (tmp_path / "allowed",)
    with live_server(tmp_path / "data", allowed_folders=allowed) as running:
        assert running.client.put(SETTINGS, json=change).status_code == 200
        made = running.client.post(GENERATE, json=SMALL).json()["data"]
    with live_server(tmp_path / "data") as running:
        assert running.client.get(SETTINGS).json()["data"].items() >= change.items()
        path = f"/generated/image_{made['id']}.png"
        assert running.client.get(path).status_code == 200, "what is there stays reachable"
        answer = running.client.post(GENERATE, json=SMALL)
        assert (answer.status_code, answer.json()["code"]) == (500, "STORAGE_ERROR")
