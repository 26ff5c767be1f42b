"""What is said of the model a file was trained on keeps its shapes from deciding alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from server.loras.registry import LoraRegistry
from server.plugins.manager import discover
from tests.families.lora_files import write
from tests.unit.loras.builders import family, lora, registry, settle, sidecar

FLUX = {"single_transformer_blocks.0.attn.to_q": (3072, 3072)}
SDXL = {"mid_block.attentions.0.transformer_blocks.9.attn2.to_k": (1280, 2048)}


def whose(found: LoraRegistry) -> tuple[str | None, str | None]:
    """The family of the user's only file, and why it has none."""
    (record,) = (record for record in found.records() if not record.bundled)
    return record.family, record.unsupported


@pytest.mark.parametrize(
    ("modules", "base_model", "expected"),
    [
        (FLUX, "Chroma", None),
        (FLUX, "Flux.2 Klein 4B", None),
        (FLUX, "SDXL 1.0", None),
        (FLUX, "Flux.1 D", "flux"),
        (FLUX, "Other", "flux"),
        (SDXL, "Kolors", None),
        (SDXL, "Flux.1 S", None),
        (SDXL, "Illustrious", "sdxl"),
        (SDXL, "SD 1.5", "sdxl"),
    ],
)
async def test_what_civitai_says_beside_a_file(
    tmp_path: Path, modules: dict[str, tuple[int, ...]], base_model: str, expected: str | None
) -> None:
    (tmp_path / "loras").mkdir()
    path = write(tmp_path / "loras" / "x.safetensors", modules, rank=1, dtype="float16")
    sidecar(settle(path), ".civitai.info", {"id": 5, "modelId": 4, "baseModel": base_model})
    async with registry(tmp_path, *discover().families.values()) as found:
        name, reason = whose(found)
        assert name == expected
        assert [record.name for record in found.usable("flux") + found.usable("sdxl")] == (
            ["x"] if expected else []
        )
    assert (reason is None) == (expected is not None)
    assert reason is None or f"its metadata say that it is for {base_model}." in reason


@pytest.mark.parametrize(
    "metadata",
    [
        {"modelspec.architecture": "elm/lora"},
        {"ss_base_model_version": "elm"},
        {"base_model": "elm 1.0"},
        {"ss_base_model_version": "None", "ss_sd_model_name": "elm.safetensors"},
    ],
)
async def test_what_a_header_says(tmp_path: Path, metadata: dict[str, str]) -> None:
    lora(tmp_path / "loras" / "x.safetensors", metadata=metadata)
    async with registry(tmp_path) as found:
        name, reason = whose(found)
    assert name is None and reason is not None and "Its layers fit `oak`, but" in reason


async def test_the_family_is_decided_anew_when_more_becomes_known(tmp_path: Path) -> None:
    def version(base_model: str) -> dict[str, Any]:
        return {"id": 5, "modelId": 4, "baseModel": base_model}

    path = lora(tmp_path / "loras" / "x.safetensors")
    oak = family("oak", relatives=("ash",))
    async with registry(tmp_path, oak, family("elm")) as found:
        assert whose(found) == ("oak", None)
        (record,) = found.records()
        await found.note_civitai(record.sha256, version("Ash"))
        name, reason = whose(found)
        assert name is None and reason is not None and "for Ash" in reason
        assert found.usable("oak") == []
        beside = sidecar(path, ".civitai.info", version("oak 2"))
        await found.rescan()
        assert whose(found) == ("oak", None), "what lies beside it is trusted more"
        beside.unlink()
        await found.rescan()
        assert whose(found)[0] is None
        await found.delete("x")
        assert whose(found) == ("oak", None), "what civitai said is forgotten"


async def test_what_is_said_decides_between_two_that_recognise_a_file(tmp_path: Path) -> None:
    path = lora(tmp_path / "loras" / "x.safetensors")
    both = family("oak"), family("elm", width=8)
    async with registry(tmp_path, *both) as found:
        assert whose(found)[0] is None
        sidecar(path, ".civitai.info", {"id": 5, "modelId": 4, "baseModel": "Elm 3"})
        await found.rescan()
        assert whose(found) == ("elm", None)


async def test_the_width_of_the_model_stays_known(tmp_path: Path) -> None:
    lora(tmp_path / "loras" / "x.safetensors")
    lora(tmp_path / "loras" / "y.safetensors", width=12)
    some = family("oak", width_of=lambda shapes: 3072), family("elm")
    for _ in range(2):  # read, then as it was stored
        async with registry(tmp_path, *some) as found:
            assert [record.width for record in found.records()] == [3072, None]
