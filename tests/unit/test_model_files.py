"""From cards to files: which are fetched from where, which are missing, and what to do then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from server.config import Settings
from server.errors import ModelLoadFailed
from server.model_files import ModelFiles
from server.plugins.manager import discover
from server.plugins.types import ModelCard, ModelFamily
from server.source_errors import SourceMissing
from server.sources.download import unheard
from tests.fake_sources import COMMIT, FakeSources, weights
from tests.support import PLUGINS, know_hub

UNET = "unet/diffusion_pytorch_model.safetensors"
VAE = "vae/diffusion_pytorch_model.safetensors"
INDEX = {
    "_class_name": "Pipeline",
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "scheduler": ["diffusers", "EulerDiscreteScheduler"],
}
PIPELINE = {
    "model_index.json": json.dumps(INDEX).encode(),
    "unet/config.json": b"{}",
    UNET: weights(3000, 1),
    "vae/config.json": b"{}",
    VAE: weights(2000, 2),
    "scheduler/scheduler_config.json": b"{}",
}
PART = {"config.json": b"{}", "diffusion_pytorch_model.safetensors": weights(2000, 3)}

#: A family that takes its configurations from elsewhere where the source is a single file.
FAMILY: ModelFamily = discover(PLUGINS).cards["colours"][0]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    with FakeSources() as sources:
        know_hub(sources.hub_url, tmp_path, monkeypatch)
        monkeypatch.setenv("CIVITAI_API_KEY", "civitai-key")
        yield sources


@pytest.fixture
def files(fake: FakeSources, tmp_path: Path) -> ModelFiles:
    settings = Settings(
        data=tmp_path / "data", allow_private_sources=True, civitai_url=fake.civitai_url
    )
    return ModelFiles(settings)


def asked(fake: FakeSources, repository: str) -> list[str]:
    """The files of a repository that were asked for."""
    start = f"/{repository}/resolve/{COMMIT}/"
    return sorted(
        {seen.path.removeprefix(start) for seen in fake.seen if seen.path.startswith(start)}
    )


async def test_of_a_pipeline_that_gives_a_part_only_the_part_is_fetched(
    fake: FakeSources, files: ModelFiles
) -> None:
    fake.add_repository("org/main", PIPELINE)
    fake.add_repository("org/other", {**PIPELINE, VAE: weights(2000, 9)})
    card = ModelCard("a", "A", "org/main", components={"vae": "org/other"})
    await files.fetch(FAMILY, card, unheard)
    assert asked(fake, "org/other") == ["model_index.json", "vae/config.json", VAE]
    assert VAE not in asked(fake, "org/main")
    found = files.find(FAMILY, card)
    assert (Path(found["components"]["vae"]) / VAE).read_bytes() == weights(2000, 9)
    assert files.disk_bytes(found) == len(weights(3000)) + len(weights(2000))
    assert not files.can_fetch(FAMILY, card)


async def test_what_is_here_of_a_pipeline_serves_as_a_part_and_counts_once(
    fake: FakeSources, files: ModelFiles
) -> None:
    fake.add_repository("org/main", PIPELINE)
    await files.fetch(FAMILY, ModelCard("main", "Main", "org/main"), unheard)
    card = ModelCard("a", "A", "org/main", components={"vae": "org/main"})
    found = files.find(FAMILY, card)
    assert found["components"]["vae"] == found["path"]
    assert files.disk_bytes(found) == len(weights(3000)) + len(weights(2000))


async def test_a_part_with_a_repository_of_its_own_is_found(
    fake: FakeSources, files: ModelFiles
) -> None:
    fake.add_repository("org/main", PIPELINE)
    fake.add_repository("org/vae", PART)
    card = ModelCard("a", "A", "org/main", components={"vae": "org/vae"})
    assert files.can_fetch(FAMILY, card)
    await files.fetch(FAMILY, card, unheard)
    found = files.find(FAMILY, card)
    place = Path(found["components"]["vae"])
    assert sorted(asked(fake, "org/vae")) == sorted(PART)
    assert (place / "config.json").is_file()


async def test_the_progress_of_several_sources_is_one_sum(
    fake: FakeSources, files: ModelFiles
) -> None:
    fake.add_repository("org/main", PIPELINE)
    fake.add_repository("org/vae", PART)
    card = ModelCard("a", "A", "org/main", components={"vae": "org/vae"})
    told: list[tuple[int, int | None]] = []
    await files.fetch(FAMILY, card, lambda *numbers: told.append(numbers))
    there = [number for number, _ in told]
    assert there == sorted(there)
    main = sum(len(data) for name, data in PIPELINE.items() if "vae" not in name)
    total = main + sum(map(len, PART.values()))
    assert told[-1] == (total, total)


async def test_of_the_configuration_of_a_single_file_no_weights_are_fetched(
    fake: FakeSources, files: ModelFiles
) -> None:
    fake.add_version(7, 1, weights(5000))
    fake.add_repository("org/main", PIPELINE)
    family = ModelFamily(
        FAMILY.name, "", FAMILY.params, FAMILY.load, (), file_parts=frozenset({"unet", "vae"})
    )
    card = ModelCard("a", "A", "civitai:1@7", config="org/main")
    await files.fetch(family, card, unheard)
    texts = sorted(name for name in PIPELINE if name.endswith(".json"))
    assert asked(fake, "org/main") == texts
    found = files.find(family, card)
    assert found["path"].endswith("model_7.safetensors") and found["config"] is not None
    assert files.disk_bytes(found) == len(weights(5000))


# --- what is not here ----------------------------------------------------------------------


@pytest.mark.parametrize("place", ["source", "vae"])
def test_a_place_that_cannot_be_read_is_no_crash(files: ModelFiles, place: str) -> None:
    unreadable = f"/{'x' * 300}.safetensors"
    parts = {"vae": unreadable} if place == "vae" else {}
    card = ModelCard("a", "A", "org/main" if parts else unreadable, components=parts)
    with pytest.raises(ModelLoadFailed, match="cannot be read: File name too long"):
        files.find(FAMILY, card)
    assert not files.can_fetch(FAMILY, card)


def test_a_package_that_is_gone_is_no_crash(files: ModelFiles) -> None:
    card = ModelCard("a", "A", "package:no_such_package")
    with pytest.raises(ModelLoadFailed, match="not installed"):
        files.find(FAMILY, card)
    assert not files.can_fetch(FAMILY, card)


async def test_a_local_part_that_is_missing_is_named_before_anything_is_fetched(
    fake: FakeSources, files: ModelFiles
) -> None:
    fake.add_repository("org/main", PIPELINE)
    card = ModelCard("a", "A", "org/main", components={"vae": "/nowhere/vae"})
    with pytest.raises(ModelLoadFailed, match="/nowhere/vae"):
        files.find(FAMILY, card)
    assert not files.can_fetch(FAMILY, card)
    with pytest.raises(ModelLoadFailed, match="/nowhere/vae"):
        await files.fetch(FAMILY, card, unheard)
    assert fake.seen == []


def test_a_key_in_an_address_is_not_shown(files: ModelFiles) -> None:
    card = ModelCard("a", "A", "https://user:hunter2@example.org/x.safetensors")
    with pytest.raises(ModelLoadFailed) as caught:
        files.find(FAMILY, card)
    assert "hunter2" not in caught.value.message


async def test_the_downloads_of_a_card(fake: FakeSources, files: ModelFiles) -> None:
    fake.add_repository("org/main", PIPELINE)
    card = ModelCard("a", "A", "org/main")
    assert files.downloads(FAMILY, card) == set()
    await files.fetch(FAMILY, card, unheard)
    assert files.downloads(FAMILY, card) == {Path(files.find(FAMILY, card)["path"])}
    local = ModelCard("b", "B", str(PLUGINS), components={"vae": "/nowhere"})
    assert files.downloads(FAMILY, local) == set()


async def test_what_the_hub_lacks_is_no_folder_either(fake: FakeSources, files: ModelFiles) -> None:
    with pytest.raises(SourceMissing, match=r"There is no local folder checkpoints/mine either\."):
        await files.fetch(FAMILY, ModelCard("a", "A", "checkpoints/mine"), unheard)
    with pytest.raises(SourceMissing) as surely:
        await files.fetch(FAMILY, ModelCard("a", "A", "hf:checkpoints/mine"), unheard)
    assert "folder" not in surely.value.message
