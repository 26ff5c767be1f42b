"""Where downloads lie, when they count as there, and the hub's own cache behind them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from server.source_errors import HashMismatch, SourceMissing, UnsafeFile
from server.sources.client import SourceClient
from server.sources.kinds import Civitai, Hub, Local, Package, Url
from server.sources.manifest import Selection
from server.sources.pull import pull
from server.sources.store import ModelStore
from tests.fake_sources import COMMIT, FakeSources, sha256, weights

INDEX = {
    "_class_name": "SomePipeline",
    "transformer": ["diffusers", "SomeTransformer2DModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "scheduler": ["diffusers", "EulerDiscreteScheduler"],
}
FILES = {
    "model_index.json": json.dumps(INDEX).encode(),
    "transformer/config.json": b"{}",
    "transformer/diffusion_pytorch_model.safetensors": weights(1000, 1),
    "transformer/diffusion_pytorch_model.fp16.safetensors": weights(500, 2),
    "tokenizer/vocab.json": b"{}",
    "scheduler/scheduler_config.json": b"{}",
}
REPO = Hub("org/name")


# --- own downloads -------------------------------------------------------------------------


async def test_a_pulled_repository_is_located(
    fake: FakeSources, client: SourceClient, store: ModelStore
) -> None:
    fake.add_repository("org/name", FILES)
    assert store.locate(REPO) is None
    path = await pull(REPO, store, client)
    assert (path / "model_index.json").is_file() and path.name == COMMIT
    assert store.locate(REPO) == path == store.locate(Hub("org/name", revision=COMMIT))
    assert store.locate(Hub("org/name", revision="v1")) is None
    assert store.locate(Hub("org/name", "transformer")) is None
    assert store.locate(Hub("org/other")) is None
    assert store.folders(REPO) == [path]
    assert store.folders(Hub("org/other")) == []


async def test_each_selection_is_complete_by_itself(
    fake: FakeSources, client: SourceClient, store: ModelStore
) -> None:
    fake.add_repository("org/name", FILES)
    without = Selection(without=frozenset({"transformer"}))
    path = await pull(REPO, store, client, selection=without)
    assert not (path / "transformer").exists()
    assert store.locate(REPO, without) == path and store.locate(REPO) is None
    await pull(REPO, store, client)
    assert store.locate(REPO) == path, "the shared files were there already"
    assert len(fake.requests(f"/org/name/resolve/{COMMIT}/tokenizer/vocab.json")) == 1
    more = Selection(without=frozenset({"tokenizer"}))
    assert store.locate(REPO, more) == path, "the whole repository holds every part of it"
    assert store.locate(REPO, Selection("fp16")) is None
    await pull(REPO, store, client, selection=Selection("fp16"))
    assert store.locate(REPO, Selection("fp16")) == path


async def test_a_branch_that_moved_is_pulled_anew_beside_the_old(
    fake: FakeSources, client: SourceClient, store: ModelStore
) -> None:
    repository = fake.add_repository("org/name", FILES)
    old = await pull(REPO, store, client)
    repository.commit = "1" * 40
    repository.files["scheduler/scheduler_config.json"] = b'{"new": 1}'
    new = await pull(REPO, store, client)
    assert store.locate(REPO) == new != old
    assert store.locate(Hub("org/name", revision=COMMIT)) == old
    assert store.folders(REPO) == sorted([old, new])
    assert store.folders(Hub("org/name", revision=COMMIT)) == [old]


@pytest.mark.parametrize("selection", [Selection(), Selection("fp16", frozenset({"vae"}))])
async def test_one_file_is_located_as_a_file(
    fake: FakeSources, client: SourceClient, store: ModelStore, selection: Selection
) -> None:
    fake.add_repository("org/name", {"a/x.safetensors": weights()})
    fake.blobs["y.safetensors"] = weights()
    file = Hub("org/name", "a/x.safetensors")
    url = Url(f"{fake.files_url}/blobs/y.safetensors")
    for reference, name in ((file, "x.safetensors"), (url, "y.safetensors")):
        path = await pull(reference, store, client, selection=selection)
        assert (path.name, path.read_bytes()) == (name, weights())
        assert store.locate(reference, selection) == path == store.locate(reference)
        assert all(path.is_relative_to(folder) for folder in store.folders(reference))


async def test_a_version_is_found_by_every_name_of_it(
    fake: FakeSources, client: SourceClient, store: ModelStore
) -> None:
    fake.add_version(456, 123, weights())
    path = await pull(Civitai(123), store, client)
    same = [Civitai(123), Civitai(123, 456), Civitai(None, 456)]
    assert [store.locate(reference) for reference in same] == [path] * 3
    assert store.locate(Civitai(124)) is None and store.locate(Civitai(None, 456, 1)) is None
    fake.add_version(457, 123, weights(10))
    assert store.locate(Civitai(123)) == path, "asked by name, the site is not"
    newer = await pull(Civitai(123), store, client)
    assert store.locate(Civitai(123)) == newer and store.locate(Civitai(None, 456)) == path
    (folder,) = store.folders(Civitai(None, 457))
    assert newer.is_relative_to(folder) and not path.is_relative_to(folder)


async def test_files_of_one_version_with_the_same_name_are_kept_apart(
    fake: FakeSources, client: SourceClient, store: ModelStore
) -> None:
    first, second = weights(5000), weights(9000)
    record = fake.add_version(7, 1, first, id=70, name="model.safetensors")
    fake.blobs[sha256(second)] = second
    record["files"].append(
        {
            **record["files"][0],
            "id": 71,
            "primary": False,
            "sizeKB": round(len(second) / 1024, 2),
            "hashes": {"SHA256": sha256(second)},
            "downloadUrl": f"{fake.files_url}/blobs/{sha256(second)}",
        }
    )
    paths = [await pull(each, store, client) for each in (Civitai(1, 7), Civitai(1, 7, 71))]
    assert [path.read_bytes() for path in paths] == [first, second]
    assert store.locate(Civitai(1, 7)) == paths[0]
    assert store.locate(Civitai(1, 7, 71)) == paths[1]


async def test_one_component_of_a_pipeline_is_located(
    fake: FakeSources, client: SourceClient, store: ModelStore, snapshot_of_two: Path
) -> None:
    fake.add_repository("org/name", FILES)
    only = Selection(only="transformer")
    path = await pull(REPO, store, client, selection=only)
    assert sorted(each.name for each in path.iterdir() if each.is_dir()) == ["transformer"]
    assert store.locate(REPO, only) == path and store.locate(REPO) is None
    assert store.locate(REPO, Selection(only="scheduler")) is None
    found = store.locate(Hub("org/cached"), only)
    assert found == snapshot_of_two and store.locate(Hub("org/cached")) is None


@pytest.fixture
def snapshot_of_two(tmp_path: Path) -> Path:
    """A repository in the hub's cache that lacks the scheduler."""
    repository = tmp_path / "hub-cache" / "models--org--cached"
    folder = repository / "snapshots" / COMMIT
    for name, data in FILES.items():
        if not name.startswith("scheduler"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    return folder


async def test_an_interrupted_download_is_not_there(
    fake: FakeSources, client: SourceClient, store: ModelStore
) -> None:
    fake.add_repository(
        "org/name",
        FILES,
        lies={"transformer/diffusion_pytorch_model.safetensors": {"sha256": "0" * 64}},
    )
    with pytest.raises(HashMismatch):
        await pull(REPO, store, client)
    assert store.locate(REPO) is None
    (folder,) = store.folders(REPO)
    assert any(folder.rglob("*.json")), "what there is can be removed"


@pytest.mark.parametrize("damage", ["removed", "cut", "marker"])
async def test_what_was_damaged_since_is_not_there(
    fake: FakeSources,
    client: SourceClient,
    store: ModelStore,
    caplog: pytest.LogCaptureFixture,
    damage: str,
) -> None:
    fake.add_repository("org/name", FILES)
    path = await pull(REPO, store, client)
    file = path / "transformer" / "diffusion_pytorch_model.safetensors"
    if damage == "removed":
        file.unlink()
    elif damage == "cut":
        os.truncate(file, 10)
    else:
        (marker,) = path.glob(".darkroom-*.json")
        marker.write_text("{")
    assert store.locate(REPO) is None
    assert ("not readable" in caplog.text) == (damage == "marker")
    assert await pull(REPO, store, client) == path == store.locate(REPO)


def test_local_references_are_where_they_say(store: ModelStore, tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").touch()
    assert store.locate(Local(tmp_path)) == tmp_path
    assert store.locate(Local(tmp_path / "gone")) is None
    found = store.locate(Package("server", "migrations"))
    assert found is not None and found.name == "migrations"


@pytest.mark.parametrize("content", [(), ("README.md",), ("config.json", "vae/config.json")])
def test_a_folder_without_weights_is_none(
    store: ModelStore, tmp_path: Path, content: tuple[str, ...]
) -> None:
    for name in content:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(SourceMissing, match=r"no model_index\.json and no \.safetensors"):
        store.locate(Local(tmp_path))


@pytest.mark.parametrize("name", ["x.ckpt", "unet/x.bin"])
def test_a_folder_of_pickles_is_refused(store: ModelStore, tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    with pytest.raises(UnsafeFile, match="holds pickles"):
        store.locate(Local(tmp_path))


def test_a_plugin_may_need_no_weights(store: ModelStore, tmp_path: Path) -> None:
    (tmp_path / "plugin.py").touch()
    assert store.locate(Local(tmp_path)) == tmp_path


# --- the hub's cache -----------------------------------------------------------------------


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """A repository in the cache of the hub's own client: links to blobs, a note of the branch."""
    repository = tmp_path / "hub-cache" / "models--org--name"
    folder = repository / "snapshots" / COMMIT
    (repository / "blobs").mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    for number, (name, data) in enumerate(FILES.items()):
        blob = repository / "blobs" / str(number)
        blob.write_bytes(data)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(blob)
    return folder


def test_the_hubs_cache_is_used_as_it_is(store: ModelStore, snapshot: Path) -> None:
    assert store.locate(REPO) == snapshot
    assert store.locate(Hub("org/name", revision=COMMIT)) == snapshot
    assert store.locate(Hub("org/name", revision="v1")) is None
    assert store.locate(Hub("org/name", "transformer")) == snapshot / "transformer"
    name = "transformer/diffusion_pytorch_model.safetensors"
    assert store.locate(Hub("org/name", name)) == snapshot / name
    assert store.locate(Hub("org/name", "x.safetensors")) is None
    assert store.folders(REPO) == [], "it is not ours to remove"


@pytest.mark.parametrize("name", [name for name in FILES if "fp16" not in name])
def test_a_snapshot_that_lacks_something_is_not_there(
    store: ModelStore, snapshot: Path, name: str
) -> None:
    (snapshot / name).resolve().unlink()
    assert store.locate(REPO) is None


def test_a_snapshot_is_whole_without_what_comes_from_elsewhere(
    store: ModelStore, snapshot: Path
) -> None:
    (snapshot / "transformer" / "config.json").unlink()
    assert store.locate(REPO) is None
    assert store.locate(REPO, Selection(without=frozenset({"transformer"}))) == snapshot


def test_shards_need_all_and_their_index(store: ModelStore, snapshot: Path) -> None:
    folder = snapshot / "transformer"
    (folder / "diffusion_pytorch_model.safetensors").unlink()
    for number in (1, 2):
        name = f"diffusion_pytorch_model-0000{number}-of-00002.safetensors"
        assert store.locate(REPO) is None
        (folder / name).write_bytes(weights())
    assert store.locate(REPO) is None
    (folder / "diffusion_pytorch_model.safetensors.index.json").write_text("{}")
    assert store.locate(REPO) == snapshot


def test_pickles_in_the_cache_are_not_weights(store: ModelStore, snapshot: Path) -> None:
    for path in (snapshot / "transformer").glob("*.safetensors"):
        path.unlink()
    (snapshot / "transformer" / "diffusion_pytorch_model.bin").write_bytes(b"\x80")
    assert store.locate(REPO) is None
