"""The gallery as the HTTP APIs see it: its images, asked for from the event loop."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from server.catalog import ModelCatalog
from server.errors import ModelNotFound
from server.gallery import Filters, Gallery, ImagePage
from server.lora_errors import LoraNotFound
from server.loras.registry import LoraRegistry
from server.records import ImageRecord


class Pictures:
    """Finished images. Disk and database are used on threads."""

    def __init__(self, gallery: Gallery, catalog: ModelCatalog, loras: LoraRegistry) -> None:
        self._gallery = gallery
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
        likewise, of the prompt alone; `lora` is any name of a LoRA, or the id of one that is gone;
        with `firsts` of each job only the first image. With `dialect`, `q` and `model` mean models
        as that API's clients name them, a word of `q` any part of such a name."""
        with contextlib.suppress(LoraNotFound):
            lora = lora and (await asyncio.to_thread(self._loras.find, lora)).id
        wanted = self._card_id(model) if dialect is None else model
        filters = Filters(q, wanted, lora, prompt, firsts, dialect)
        return await asyncio.to_thread(
            self._gallery.page, filters, limit=limit, offset=offset, cursor=cursor
        )

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

    def _card_id(self, name: str | None) -> str | None:
        try:
            return None if name is None else self._catalog.find(name)[1].id
        except ModelNotFound:
            return name  # images of a model that is not installed any more
