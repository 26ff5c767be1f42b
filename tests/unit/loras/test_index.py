"""Finding LoRAs by what people call them, and pages of them."""

from __future__ import annotations

from pathlib import Path

import pytest

import server.loras.index
from server.errors import InvalidParameters
from server.lora_errors import LoraNotFound
from server.loras.assembly import Lora
from server.loras.configured import Origin
from server.loras.index import LoraIndex
from tests.unit.lora_records import record
from tests.unit.loras.builders import lora, registry, sidecar


async def test_every_name_leads_to_the_lora(tmp_path: Path) -> None:
    path = lora(tmp_path / "loras" / "styles" / "Ink_v2.safetensors")
    sidecar(path, ".civitai.info", {"id": 5, "modelId": 4, "model": {"name": "Ink wash"}})
    lora(tmp_path / "loras" / "other.safetensors", seed=1)
    async with registry(tmp_path) as found:
        (record,) = [record for record in found.records() if record.name == "Ink wash"]
        assert record.id == "civitai_5"
        for name in (
            "civitai_5", "civitai_4", f"local_{record.autov3[:12]}", "Ink_v2", "Ink_v2.safetensors",
            "styles/Ink_v2", "styles/Ink_v2.safetensors", "Ink wash", "ink WASH", "INK_V2",
        ):  # fmt: skip
            assert found.find(name) == record
        assert (found.at(path), found.path("Ink_v2")) == (record, path)
        assert (found.at(tmp_path), found.path("nobody")) == (None, None)


async def test_an_unknown_name_gets_the_nearest(tmp_path: Path) -> None:
    lora(tmp_path / "loras" / "watercolour.safetensors")
    async with registry(tmp_path) as found:
        with pytest.raises(LoraNotFound, match=r"did you mean `watercolour`"):
            found.find("watercolor")
        with pytest.raises(LoraNotFound, match=r"There is no LoRA 'x+…'\."):
            found.find("x" * 100_000)


def test_only_names_of_the_nearest_lengths_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.loras.index, "COMPARED", 1)
    loras = [
        Lora(
            record(f"local_{name}", name),
            (),
            (None, None),
            frozenset(),
            Origin(Path()),
            frozenset(),
        )
        for name in ("watercolor-2", "watercolors")
    ]
    with pytest.raises(LoraNotFound, match=r"did you mean `watercolors`\?"):
        LoraIndex(loras).find("watercolour")


async def test_a_name_of_several_names_them_all(tmp_path: Path) -> None:
    for number, folder in enumerate(("a", "b")):
        path = lora(tmp_path / "loras" / folder / "ink.safetensors", seed=number)
        sidecar(path, ".civitai.info", {"id": 10 + number, "modelId": 4})
    async with registry(tmp_path) as found:
        for name in ("ink", "civitai_4"):
            with pytest.raises(LoraNotFound) as caught:
                found.find(name)
            assert "civitai_10" in caught.value.message and "civitai_11" in caught.value.message
        assert found.find("b/ink").id == "civitai_11"


async def test_capitals_tell_names_apart(tmp_path: Path) -> None:
    lora(tmp_path / "loras" / "a" / "Ink.safetensors", seed=0)
    lora(tmp_path / "loras" / "b" / "ink.safetensors", seed=1)
    async with registry(tmp_path) as found:
        assert found.find("Ink").filename == "a/Ink.safetensors"
        assert found.find("ink").filename == "b/ink.safetensors"
        with pytest.raises(LoraNotFound, match="several"):
            found.find("INK")


async def test_a_version_stands_above_a_model_of_the_same_number(tmp_path: Path) -> None:
    for number, told in enumerate(({"id": 7, "modelId": 1}, {"id": 8, "modelId": 7})):
        path = lora(tmp_path / "loras" / f"{number}.safetensors", seed=number)
        sidecar(path, ".civitai.info", told)
    async with registry(tmp_path) as found:
        assert found.find("civitai_7").filename == "0.safetensors"
        assert found.find("civitai_8").filename == "1.safetensors"


async def test_pages_and_searches(tmp_path: Path) -> None:
    for number, name in enumerate(("delta", "Alpha", "charlie", "bravo", "Älpha")):
        words = {"modelspec.trigger_phrase": f"word{number}"}
        lora(tmp_path / "loras" / f"{name}.safetensors", seed=number, metadata=words)
    lora(tmp_path / "loras" / "elm.safetensors", width=12)
    async with registry(tmp_path) as found:
        names = [record.name for record in found.records()]
        assert names == ["Alpha", "bravo", "charlie", "delta", "elm", "Älpha"]
        seen, cursor = [], None
        while True:
            page = found.page(limit=4, cursor=cursor)
            assert page.total == 6
            seen += [record.name for record in page.loras]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert seen == names
        assert [record.name for record in found.page(limit=2, offset=3).loras] == ["delta", "elm"]
        assert found.page(limit=9, offset=99).loras == []

        def search(q: str) -> list[str]:
            return [record.name for record in found.page(q=q).loras]

        assert search("ALPHA") == ["Alpha"] and search("oak WORD3") == ["bravo"]
        assert search("word oak") == [name for name in names if name != "elm"]
        assert search("nobody") == []
        assert [record.name for record in found.page(families={"elm"}).loras] == ["elm"]
        assert found.page(families={"elm", "oak"}).loras == []
        assert [record.name for record in found.usable("elm")] == ["elm"]


@pytest.mark.parametrize("cursor", ["x", "!!!", "aGVsbG8", "é", "//8="])
async def test_a_cursor_that_is_none(tmp_path: Path, cursor: str) -> None:
    async with registry(tmp_path) as found:
        with pytest.raises(InvalidParameters, match="next_cursor"):
            found.page(cursor=cursor)


async def test_a_file_s_name_counts_before_what_another_is_called(tmp_path: Path) -> None:
    path = lora(tmp_path / "loras" / "neon.safetensors")
    lora(tmp_path / "loras" / "half.safetensors", seed=1)
    async with registry(tmp_path) as found:
        await found.edit("half", {"name": "neon"})
        assert found.find("neon") == found.at(path)
