"""Files beside a LoRA, as other programs write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from server.loras.facts import Facts, merged
from server.loras.hashes import Hashes
from server.loras.sidecars import ENDINGS, preview_of, read_sidecars
from tests.unit.loras.builders import sidecar
from tests.unit.loras.test_civitai import VERSION

SHA256 = "ab" * 32
HASHES = Hashes(SHA256, None, "12" * 32)


def told(path: Path, *endings: str) -> Facts:
    """What the files beside `path` say together."""
    return merged(read_sidecars(path, frozenset(endings), HASHES))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.safetensors"


def test_of_the_web_ui(path: Path) -> None:
    content = {
        "description": "",
        "sd version": "SDXL",
        "activation text": "ohwx, red dress",
        "preferred weight": 0.8,
        "negative text": "blurry",
        "notes": "first line\nsecond",
    }
    sidecar(path, ".json", content)
    assert told(path, ".json") == Facts(
        trigger_words=("ohwx", "red dress"),
        weight=0.8,
        base_model="SDXL",
        notes="first line\nsecond",
    )


def test_a_slider_that_nobody_moved_recommends_nothing(path: Path) -> None:
    content = {"sd version": "Unknown", "activation text": "", "preferred weight": 0.0, "notes": ""}
    sidecar(path, ".json", content)
    assert told(path, ".json") == Facts()


def test_of_the_lora_manager(path: Path) -> None:
    content: dict[str, Any] = {
        "file_name": "x",
        "model_name": "Ink",
        "sha256": SHA256.upper(),
        "base_model": "Illustrious",
        "preview_url": "/somewhere/else.png",
        "notes": "good",
        "usage_tips": json.dumps({"strength": 0.7, "clip_strength": 1}),
        "civitai": {"id": 5, "modelId": 4, "name": "v1", "trainedWords": ["ohwx, ink"]},
    }
    sidecar(path, ".metadata.json", content)
    found = told(path, ".metadata.json")
    assert (found.name, found.weight, found.base_model) == ("Ink", 0.7, "Illustrious")
    assert (found.trigger_words, found.notes) == (("ohwx", "ink"), "good")
    assert (found.model_id, found.version_id) == (4, 5)
    sidecar(path, ".metadata.json", {**content, "sha256": "cd" * 32})
    assert told(path, ".metadata.json") == Facts(), "it is about a file that was here before"


def test_of_civitai(path: Path) -> None:
    sidecar(path, ".civitai.info", VERSION)
    found = told(path, ".civitai.info")
    assert (found.version_id, found.trigger_words) == (1963644, ("inkwash", "brush"))


@pytest.mark.parametrize(
    ("hashes", "believed"),
    [
        ({"SHA256": SHA256.upper()}, True),
        ({"SHA256": "CD" * 32, "AutoV3": "121212121212"}, True),
        ({"AutoV2": "CDCDCDCDCD"}, True),
        ({"SHA256": "CD" * 32, "AutoV3": "343434343434"}, False),
        ({"SHA256": "CD" * 32}, False),
    ],
)
def test_of_civitai_about_these_weights(
    path: Path, hashes: dict[str, str], *, believed: bool
) -> None:
    files = [None, {"hashes": 5}, {"hashes": hashes}]
    sidecar(path, ".civitai.info", {**VERSION, "files": files})
    assert (told(path, ".civitai.info") != Facts()) is believed


@pytest.mark.parametrize(
    ("record", "facts"),
    [
        (
            {"reference": "civitai:4@5", "url": "https://x"},
            Facts(source="civitai:4@5", model_id=4, version_id=5),
        ),
        ({"url": "https://example.org/x.safetensors"}, Facts(source="https://example.org/x.safetensors")),
        ({"reference": "hf:org/name/x.safetensors"}, Facts(source="hf:org/name/x.safetensors")),
        ({"reference": "/home/somebody/x.safetensors"}, Facts()),
        ({"reference": 7}, Facts()),
    ],
)  # fmt: skip
def test_our_own_record_of_a_download(path: Path, record: dict[str, Any], facts: Facts) -> None:
    sidecar(path, ".darkroom.json", {**record, "sha256": SHA256})
    assert told(path, ".darkroom.json") == facts
    sidecar(path, ".darkroom.json", {**record, "sha256": "cd" * 32})
    assert told(path, ".darkroom.json") == Facts()


def test_what_a_user_entered_stands_above_civitai(path: Path) -> None:
    sidecar(path, ".json", {"activation text": "mine"})
    sidecar(path, ".civitai.info", VERSION)
    found = told(path, ".json", ".civitai.info")
    assert (found.trigger_words, found.name) == (("mine",), "Ink")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[1]", b"[" * 100_000, b'{"notes": ' + b" " * (5 << 20)]
)
@pytest.mark.parametrize("ending", [".json", ".metadata.json", ".civitai.info", ".darkroom.json"])
def test_damaged_files_say_nothing(path: Path, content: bytes, ending: str) -> None:
    path.with_name(path.stem + ending).write_bytes(content)
    assert told(path, ending) == Facts()


def test_a_file_that_vanished_says_nothing(path: Path) -> None:
    assert told(path, *ENDINGS) == Facts()


def test_the_picture(path: Path) -> None:
    assert preview_of(path, frozenset({".json"})) is None
    assert preview_of(path, frozenset({".png"})) == path.with_name("x.png")
    both = frozenset({".png", ".preview.webp"})
    assert preview_of(path, both) == path.with_name("x.preview.webp")
