"""The gallery as the HTTP APIs see it: its images, asked for from the event loop."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from server.catalog import ModelCatalog
from server.facets import Facets, Use
from server.gallery import Filters, Gallery, ImagePage
from server.lora_errors import LoraNotFound
from server.loras.registry import LoraRegistry
from server.records import ImageRecord

#: How many models, and how many LoRAs, are told to filter by.
MOST_FACETS = 200


@dataclass(frozen=True, slots=True)
class LoraUse:
    """How many images were made with a LoRA. `name` is what people call it; None: it is not here
    any more."""

    id: str
    name: str | None
    images: int


class Pictures:
    """Finished images. Disk and database are used on threads."""

    def __init__(
        self, gallery: Gallery, facets: Facets, catalog: ModelCatalog, loras: LoraRegistry
    ) -> None:
        self._gallery = gallery
        self._facets = facets
        self._catalog = catalog
        self._loras = loras

    async def page(
        self,
        *,
        limit: int,
        offset: int = 0,
        cursor: str | None = None,
        q: str | None = None,
        model: str | None = None,
        lora: str | None = None,
        prompt: str | None = None,
        firsts: bool = False,
        dialect: str | None = None,
    ) -> ImagePage:
        """Images, newest first. `q`: every word begins a word of the prompt or the model; `prompt`
        likewise, of the prompt alone; `model` and `lora` are any name of one, or the id of one that
        is gone; with `firsts` of each job only the first image. With `dialect`, `q` and `model`
        mean models as that API's clients name them, a word of `q` any part of such a name."""
        loras = await asyncio.to_thread(self._lora_ids, lora) if lora else None
        models = None
        if model:
            models = self._catalog.names(model) if dialect is None else (model,)
        filters = Filters(q, models, loras, prompt, firsts, dialect)
        return await asyncio.to_thread(
            self._gallery.page, filters, limit=limit, offset=offset, cursor=cursor
        )

    async def models(self) -> list[Use]:
        """The models that images were made with, most used first, at most `MOST_FACETS`; `page`
        with the id of one finds as many images.

        Raises:
            DatabaseUnavailable
        """
        return await asyncio.to_thread(self._model_uses)

    async def loras(self) -> list[LoraUse]:
        """The LoRAs that images were made with, most used first, at most `MOST_FACETS`; `page` with
        the id of one finds as many images.

        Raises:
            DatabaseUnavailable
        """
        return await asyncio.to_thread(self._lora_uses)

    async def named(self, filename: str) -> ImageRecord:
        """The image with this file name.

        Raises:
            ImageNotFound
        """
        return await asyncio.to_thread(self._gallery.named, filename)

    async def of_job(self, job_id: str) -> list[ImageRecord]:
        """The images of a job in their order, also of one that is forgotten."""
        return (await asyncio.to_thread(self._gallery.of_jobs, [job_id])).get(job_id, [])

    async def numbered(self, number: int) -> ImageRecord:
        """The image whose `id` is this.

        Raises:
            ImageNotFound
        """
        return await asyncio.to_thread(self._gallery.numbered, number)

    async def file(self, filename: str) -> Path:
        """Where the image's PNG lies.

        Raises:
            ImageNotFound
        """
        return await asyncio.to_thread(self._gallery.image_path, filename)

    async def thumb(self, filename: str) -> Path:
        """Where the image's WebP thumbnail lies.

        Raises:
            ImageNotFound
        """
        return await asyncio.to_thread(self._gallery.thumb_path, filename)

    async def delete(self, filename: str) -> None:
        """Delete an image with its thumbnail and row; its job stays in the history.

        Raises:
            ImageNotFound
        """
        await asyncio.to_thread(self._gallery.delete, filename)

    def _model_uses(self) -> list[Use]:
        counts: Counter[str] = Counter()
        for use in self._facets.models():
            counts[self._catalog.names(use.id)[0]] += use.images
        return [Use(model, count) for model, count in _most_used(counts)]

    def _lora_uses(self) -> list[LoraUse]:
        holders = self._loras.by_recipe_id()
        counts: Counter[str] = Counter()
        for use in self._facets.loras():
            holder = holders.get(use.id)
            counts[use.id if holder is None else holder.id] += use.images
        ranked = _most_used(counts)
        names = {lora_id: holders[lora_id].name for lora_id, _ in ranked if lora_id in holders}
        return [LoraUse(lora_id, names.get(lora_id), count) for lora_id, count in ranked]

    def _lora_ids(self, name: str) -> tuple[str, ...]:
        """What recipes may call the LoRA of this name; the name itself if there is none."""
        try:
            return self._loras.recipe_ids(name)
        except LoraNotFound:
            return (name,)


def _most_used(counts: Counter[str]) -> list[tuple[str, int]]:
    """The first `MOST_FACETS`; those of as many images by id."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_FACETS]
