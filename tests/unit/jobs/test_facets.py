"""What the gallery can be filtered by, and that the filters find what was counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path

import pytest

from server.catalog import ModelCatalog
from server.config import Settings
from server.database import Database
from server.facets import Facets, Use
from server.gallery import Filters, Gallery
from server.jobs.store import JobStore
from server.loras.registry import LoraRegistry
from server.model_files import ModelFiles
from server.pictures import MOST_FACETS, LoraUse, Pictures
from server.plugins.manager import discover
from tests.support import PLUGINS
from tests.unit.jobs.builders import PNG, WEBP, add_image, new_image, new_job
from tests.unit.loras.builders import lora, registry

VERSION = {"id": 5, "modelId": 4, "name": "v1", "model": {"name": "Ink wash"}}


def add_with_loras(store: JobStore, gallery: Gallery, ids: Iterable[str]) -> str:
    """Add an image made with these LoRAs; its file name."""
    job = store.begin(store.create(new_job()).id)
    plain = new_image(job)
    loras = [{"id": lora_id, "weight": 0.8, "name": "as it was called then"} for lora_id in ids]
    record = replace(plain, recipe={**plain.recipe, "loras": loras})
    assert gallery.add(record, job.attempt, PNG, WEBP) is not None
    return record.filename


def pictures(gallery: Gallery, database: Database, loras: LoraRegistry) -> Pictures:
    catalog = ModelCatalog(discover(PLUGINS), ModelFiles(Settings(data=database.path.parent)))
    return Pictures(gallery, Facets(database), catalog, loras)


async def test_models_are_counted_most_used_first_without_deleted_images(
    store: JobStore, gallery: Gallery, database: Database, tmp_path: Path
) -> None:
    assert Facets(database).models() == []
    for model in ("oak", "elm", "oak", "fir", "ash"):
        add_image(store, gallery, model=model)
    for model in ("birch", "ash", "ash"):
        gallery.delete(add_image(store, gallery, model=model).filename)
    async with registry(tmp_path) as found:
        shown = pictures(gallery, database, found)
        uses = await shown.models()
        totals = [(await shown.page(limit=1, model=use.id)).total for use in uses]
    assert uses == [Use("oak", 2), Use("ash", 1), Use("elm", 1), Use("fir", 1)]
    assert totals == [use.images for use in uses], "the filter finds what was counted"


async def test_a_model_is_one_whichever_of_its_names_was_its_id(
    store: JobStore, gallery: Gallery, database: Database, tmp_path: Path
) -> None:
    for model in ("flux-1", "colours", "flux-dev", "gone", "colours", "flux"):
        add_image(store, gallery, model=model)
    async with registry(tmp_path) as found:
        shown = pictures(gallery, database, found)
        uses = await shown.models()
        names = ("flux-dev", "flux-1", "flux", "colours", "gone", "never seen")
        totals = {name: (await shown.page(limit=1, model=name)).total for name in names}
    assert uses == [Use("flux-dev", 3), Use("colours", 2), Use("gone", 1)]
    several = dict.fromkeys(names[:3], 3)
    assert totals == {**several, "colours": 2, "gone": 1, "never seen": 0}


async def test_no_more_models_than_a_page_can_show(
    store: JobStore,
    gallery: Gallery,
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("server.pictures.MOST_FACETS", 2)
    for model in ("oak", "flux-1", "elm", "oak", "flux-dev"):
        add_image(store, gallery, model=model)
    async with registry(tmp_path) as found:
        uses = await pictures(gallery, database, found).models()
    assert uses == [Use("flux-dev", 2), Use("oak", 2)], "they are cut off when all are counted"


def test_loras_are_counted_once_an_image_without_deleted_images(
    store: JobStore, gallery: Gallery, database: Database
) -> None:
    facets = Facets(database)
    add_image(store, gallery)
    assert facets.loras() == []
    for ids in ([], ["ink"], ["neon", "ink"], ["neon", "neon"]):
        add_with_loras(store, gallery, ids)
    for ids in (["ink"], ["gone"]):
        gallery.delete(add_with_loras(store, gallery, ids))
    assert sorted(facets.loras(), key=lambda use: use.id) == [Use("ink", 2), Use("neon", 2)]
    assert gallery.page(Filters(loras=("ink",)), limit=10).total == 2
    assert gallery.page(Filters(loras=("ink", "neon")), limit=10).total == 3


async def test_a_lora_is_one_whatever_it_was_called_when_images_were_made(
    store: JobStore, gallery: Gallery, database: Database, tmp_path: Path
) -> None:
    lora(tmp_path / "loras" / "x.safetensors", seed=1)
    lora(tmp_path / "loras" / "a neon sign.safetensors", seed=2)
    async with registry(tmp_path) as found:
        shown = pictures(gallery, database, found)
        unknown, neon = found.find("x"), found.find("a neon sign")
        for _ in range(2):
            add_with_loras(store, gallery, [unknown.id])
        await found.note_civitai(unknown.sha256, VERSION)
        assert found.find("x").id == "civitai_5" != unknown.id
        for ids in (["civitai_5", neon.id], ["gone"], ["also gone"]):
            add_with_loras(store, gallery, ids)
        uses = await shown.loras()
        totals = [(await shown.page(limit=1, lora=use.id)).total for use in uses]
        assert (await shown.page(limit=1, lora=unknown.id)).total == 3
    assert uses == [
        LoraUse("civitai_5", "Ink wash", 3),
        LoraUse("also gone", None, 1),
        LoraUse("gone", None, 1),
        LoraUse(neon.id, "a neon sign", 1),
    ]
    assert totals == [use.images for use in uses], "the filter finds what was counted"


async def test_a_lora_that_gets_another_id_meanwhile_shows_no_other_images(
    store: JobStore,
    gallery: Gallery,
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lora(tmp_path / "loras" / "x.safetensors", seed=1)
    add_image(store, gallery)
    async with registry(tmp_path) as found:
        shown = pictures(gallery, database, found)
        unknown, before = found.find("x"), found._index
        add_with_loras(store, gallery, [unknown.id])
        await found.note_civitai(unknown.sha256, VERSION)
        after = found._index
        for name in (unknown.id, "x", "x.safetensors", "X"):
            looks = chain([before], repeat(after))
            with monkeypatch.context() as changing:
                changing.setattr(
                    LoraRegistry,
                    "_index",
                    property(lambda _, looks=looks: next(looks)),
                    raising=False,
                )
                assert (await shown.page(limit=1, lora=name)).total == 1


async def test_a_file_that_is_called_like_another_lora_is_not_that_one(
    store: JobStore, gallery: Gallery, database: Database, tmp_path: Path
) -> None:
    lora(tmp_path / "loras" / "x.safetensors", seed=1)
    async with registry(tmp_path) as found:
        await found.note_civitai(found.find("x").sha256, VERSION)
        lora(tmp_path / "loras" / "civitai_5.safetensors", seed=2)
        await found.rescan()
        shown = pictures(gallery, database, found)
        other = found.find("civitai_5.safetensors")
        for lora_id in ("civitai_5", "civitai_5", other.id):
            add_with_loras(store, gallery, [lora_id])
        names = ("civitai_5", "x", "civitai_5.safetensors", other.id)
        totals = [(await shown.page(limit=1, lora=name)).total for name in names]
    assert totals == [2, 2, 1, 1]


async def test_no_more_loras_than_a_page_can_show(
    store: JobStore, gallery: Gallery, database: Database, tmp_path: Path
) -> None:
    add_with_loras(store, gallery, [f"lora_{number:03}" for number in range(MOST_FACETS + 1)])
    add_with_loras(store, gallery, [f"lora_{MOST_FACETS}"])
    async with registry(tmp_path) as found:
        uses = await pictures(gallery, database, found).loras()
    assert len(uses) == MOST_FACETS
    assert [use.id for use in uses[:2]] == [f"lora_{MOST_FACETS}", "lora_000"]
