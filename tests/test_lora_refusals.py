"""Downloads of LoRAs that fail, each for its reason, and those that go on nevertheless."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fake_civitai import CIVITAI_KEY
from tests.fake_sources import (
    FakeSources,
    answer,
    lora,
    redirect,
    sha256,
    unmeasured,
    weights,
)
from tests.lora_downloading import ask, kept, loras, serve
from tests.serving import LiveServer
from tests.support import know_hub

LIMIT = 300_000
VERSION = 1963644
BLOB = f"/blobs/{sha256(lora())}"
DOWNLOAD = f"/api/download/models/{VERSION}"

#: Prepares the fake sources for a refusal; what it returns is asked for instead of the version.
Fault = Callable[[FakeSources, pytest.MonkeyPatch], str | None]


@pytest.fixture(scope="module")
def sources() -> Iterator[FakeSources]:
    with FakeSources() as started:
        yield started


@pytest.fixture(scope="module")
def shared(sources: FakeSources, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with pytest.MonkeyPatch.context() as patch:
        know_hub(sources.hub_url, tmp_path_factory.mktemp("hub"), patch)
        with serve(sources, tmp_path_factory.mktemp("data"), max_lora_bytes=LIMIT) as running:
            yield running


@pytest.fixture
def fake(sources: FakeSources, monkeypatch: pytest.MonkeyPatch) -> FakeSources:
    sources.faults.clear()
    sources.seen.clear()
    sources.early.clear()
    monkeypatch.setenv("CIVITAI_API_KEY", CIVITAI_KEY)
    # Civitai's fakes are asked again at once.
    monkeypatch.setattr("server.sources.client.LONGEST_PAUSE", 0.02)
    sources.add_lora(VERSION, 1377820, lora())
    return sources


def changed(**words: Any) -> Fault:
    """The version's record is another."""

    def fault(fake: FakeSources, patch: pytest.MonkeyPatch) -> None:
        fake.versions[VERSION] |= words

    return fault


def of_type(kind: str) -> Fault:
    return changed(model={"name": "Some model", "type": kind})


def in_mode(mode: str) -> Fault:
    return changed(model={"name": "Some model", "type": "LORA", "mode": mode})


def file(**words: Any) -> Fault:
    """The record of the version's file is another."""

    def fault(fake: FakeSources, patch: pytest.MonkeyPatch) -> None:
        fake.versions[VERSION]["files"][0] |= words

    return fault


def content(data: bytes) -> Fault:
    """The file is another, and all hashes are right."""

    def fault(fake: FakeSources, patch: pytest.MonkeyPatch) -> None:
        fake.add_lora(VERSION, 1377820, data)

    return fault


def answered(path: str, *faults: Any) -> Fault:
    """A path is answered so."""

    def fault(fake: FakeSources, patch: pytest.MonkeyPatch) -> None:
        fake.fail(path, *faults)

    return fault


def in_early_access(fake: FakeSources, patch: pytest.MonkeyPatch) -> None:
    fake.early.add(VERSION)


def in_early_access_for_strangers(fake: FakeSources, patch: pytest.MonkeyPatch) -> None:
    fake.versions[VERSION]["earlyAccessEndsAt"] = "2100-01-01T00:00:00.000Z"
    patch.delenv("CIVITAI_API_KEY")


def without_key(fake: FakeSources, patch: pytest.MonkeyPatch) -> None:
    patch.delenv("CIVITAI_API_KEY")


def disk_full(fake: FakeSources, patch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")._replace(free=10)
    patch.setattr("shutil.disk_usage", lambda path: usage)


def endless(fake: FakeSources, patch: pytest.MonkeyPatch) -> str:
    fake.fail("/blobs/endless.safetensors", *[unmeasured(lora(100_000))] * 2)
    return f"{fake.files_url}/blobs/endless.safetensors"


def several(fake: FakeSources, patch: pytest.MonkeyPatch) -> str:
    fake.add_repository("org/many", {"a.safetensors": lora(), "b.safetensors": lora()})
    return "org/many"


def a_gguf(fake: FakeSources, patch: pytest.MonkeyPatch) -> str:
    fake.blobs["x.gguf"] = b"GGUF" + b"\0" * 100
    return f"{fake.files_url}/blobs/x.gguf"


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (lambda fake, patch: "civitai:@9", ("source_missing", "No version")),
        (lambda fake, patch: "org/none", ("source_missing", "org/none")),
        (without_key, ("source_unauthorized", "CIVITAI_API_KEY")),
        (in_early_access, ("early_access", "buy it")),
        (in_early_access_for_strangers, ("early_access", "until 2100-01-01")),
        (in_mode("TakenDown"), ("source_removed", "put it away")),
        (in_mode("Archived"), ("source_removed", "put it away")),
        (answered(DOWNLOAD, answer(410)), ("source_removed", "taken away")),
        (changed(usageControl="Generation"), ("source_missing", "on the site only")),
        (of_type("Checkpoint"), ("not_a_lora", "Checkpoint")),
        (of_type("TextualInversion"), ("not_a_lora", "TextualInversion")),
        (content(weights()), ("not_a_lora", "no LoRA")),
        (a_gguf, ("not_a_lora", "safetensors")),
        (file(name="x.ckpt"), ("unsafe_file", "pickle")),
        (answered(DOWNLOAD, redirect("/login")), ("not_a_weights_file", "login page")),
        (answered(BLOB, answer(200, b"PK\3\4 zip, no tensors")), ("not_a_weights_file", "begin")),
        (file(hashes={"SHA256": "0" * 64}), ("source_missing", "does not exist")),
        (file(hashes={"SHA256": "0" * 64}, downloadUrl="*"), ("hash_mismatch", "0000")),
        (file(sizeKB=1 + LIMIT / 1024), ("file_too_large", str(LIMIT))),
        (content(lora(50_000)), ("file_too_large", str(LIMIT))),
        (endless, ("file_too_large", str(LIMIT))),
        (several, ("source_ambiguous", "a.safetensors, b.safetensors")),
        (answered(DOWNLOAD, redirect("ftp://example.org/x")), ("forbidden_address", "ftp")),
    ],
)
def test_a_refusal_says_why_and_leaves_nothing(
    shared: LiveServer,
    fake: FakeSources,
    monkeypatch: pytest.MonkeyPatch,
    fault: Fault,
    expected: tuple[str, str],
) -> None:
    code, hint = expected
    ref = fault(fake, monkeypatch) or f"civitai:@{VERSION}"
    told = fake.versions[VERSION]["files"][0]
    if told["downloadUrl"] == "*":
        told["downloadUrl"] = f"{fake.files_url}{BLOB}"
    failed = shared.finish(ask(shared, ref))
    assert (failed["status"], failed["error"]["code"]) == ("failed", code), failed["error"]
    assert hint in failed["error"]["message"] and CIVITAI_KEY not in failed["error"]["message"]
    assert failed["lora"] is None and kept(shared) == [] and loras(shared) == {}


@pytest.mark.parametrize("kind", ["Checkpoint", "VAE"])
def test_another_type_is_refused_before_a_byte_is_asked_for(
    shared: LiveServer, fake: FakeSources, kind: str
) -> None:
    fake.versions[VERSION]["model"]["type"] = kind
    assert shared.finish(ask(shared, str(VERSION)))["error"]["code"] == "not_a_lora"
    assert fake.requests(DOWNLOAD) == [] == fake.requests(BLOB)


def test_no_request_makes_the_server_read_what_only_it_can_reach(
    fake: FakeSources, tmp_path: Path
) -> None:
    hosts = ("https://127.0.0.1", "https://169.254.169.254", "https://localhost", "http://e.org")
    with serve(fake, tmp_path, allow_private_sources=False) as server:
        for host in hosts:
            failed = server.finish(ask(server, f"{host}/x.safetensors"))
            assert failed["error"]["code"] == "forbidden_address"
        assert kept(server) == []
    assert fake.seen == []


def test_what_may_pass_is_waited_for(shared: LiveServer, fake: FakeSources, tmp_path: Path) -> None:
    data = lora(20_000)
    fake.add_lora(11, 1, data)
    blob = f"/blobs/{sha256(data)}"
    fake.fail("/api/v1/model-versions/11", answer(429, Retry_After="0"), answer(503))
    fake.fail(blob, answer(429, Retry_After="0"), fake.cut(data, 200_000), fake.cut(data, 250_000))
    with serve(fake, tmp_path) as server:
        assert server.finish(ask(server, "11"))["status"] == "completed"
        path = server.service.settings.folders.loras / "lora_11.safetensors"
        assert path.read_bytes() == data
    asked = [seen.headers.get("Range") for seen in fake.requests(blob)]
    assert len(asked) == 4 and asked[2] == "bytes=200000-"


def test_what_can_go_on_later_is_kept_out_of_sight(
    fake: FakeSources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = lora(20_000)
    fake.add_lora(12, 1, data)
    blob = f"/blobs/{sha256(data)}"
    with serve(fake, tmp_path) as server:
        with monkeypatch.context() as patch:
            disk_full(fake, patch)
            failed = server.finish(ask(server, "12"))
            assert failed["error"]["code"] == "disk_full"
        fake.fail(blob, fake.cut(data, 200_000), *[answer(503)] * 6)
        failed = server.finish(ask(server, "12"))
        assert failed["error"]["code"] == "source_unreachable"
        assert loras(server) == {} and [name[:11] for name in kept(server)] != []
        assert all(name.startswith(".downloads/") for name in kept(server))
        assert server.finish(ask(server, "12"))["lora"] == "civitai_12"
        assert not [name for name in kept(server) if name.startswith(".downloads")]
    assert fake.requests(blob)[-1].headers["Range"] == "bytes=200000-"
