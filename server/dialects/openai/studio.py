"""From requests to jobs."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from starlette.requests import Request

from server.dialects.openai import masks, translate
from server.dialects.openai.editing import EditRequest
from server.dialects.openai.protocol import Generation, ImageRequest
from server.dialects.openai.translate import Size, refused
from server.fitting import Fitted
from server.http.host import DialectHost
from server.inputs import FORMATS, size_of
from server.plugins.types import ModelCard
from server.snapshots import JobSnapshot

logger = logging.getLogger(__name__)


class Studio:
    """Hands in what requests ask for."""

    def __init__(self, host: DialectHost) -> None:
        self._host = host

    async def generate(self, request: Request, asked: Generation, key: str | None) -> JobSnapshot:
        """Submit a request for new images.

        Args:
            request: the HTTP request.
            asked: what its body says.
            key: what the client calls it, see `GenerationService.submit`.

        Raises:
            ModelNotFound, InvalidParameters, IdempotencyConflict, QueueFull, QuotaExceeded,
            RateLimited, ShuttingDown
        """
        card = self._card(asked)
        fitted = translate.parameters(asked, self._schema(card))
        return await self._submit(request, asked, card, fitted, key)

    async def edit(self, request: Request, order: EditRequest, key: str | None) -> JobSnapshot:
        """Submit a request for changed images.

        Args:
            request: the HTTP request.
            order: what its body says.
            key: what the client calls it, see `GenerationService.submit`.

        Raises:
            ModelNotFound, InvalidParameters, IdempotencyConflict, QueueFull, QuotaExceeded,
            RateLimited, ShuttingDown
        """
        card = self._card(order.asked)
        schema = self._schema(card)
        has_mask = order.mask is not None
        able = self._masking() if has_mask else []
        translate.check_taken(len(order.images), schema, has_mask=has_mask, able=able)
        size = await asyncio.to_thread(self._size, order.images[0])
        mask = None
        if order.mask is not None:
            mask = await asyncio.to_thread(masks.ours, order.mask, size)
        given = translate.given(order.images, mask, schema)
        like = translate.size_like(size, card.training_resolution)
        fitted = translate.parameters(order.asked, schema, like, has_mask=has_mask)
        whole = Fitted({**fitted.body, **given}, fitted.notes)
        return await self._submit(request, order.asked, card, whole, key)

    async def _submit(
        self,
        request: Request,
        asked: ImageRequest,
        card: ModelCard,
        fitted: Fitted,
        key: str | None,
    ) -> JobSnapshot:
        for note in fitted.notes:
            logger.info("%s: %s", self._host.name, note)
        body = {"model": card.id, **fitted.body}
        return await self._host.submit(
            request, body, named=asked.model or None, idempotency_key=key or None
        )

    def _card(self, asked: ImageRequest) -> ModelCard:
        """
        Raises:
            ModelNotFound
        """
        return self._host.model(asked.model or None)[1]

    def _schema(self, card: ModelCard) -> dict[str, Any]:
        return self._host.service.catalog.schema(card.id, lasting=True)

    def _size(self, image: bytes) -> Size:
        """Width and height of an image that a model may be given. Blocks.

        Raises:
            InvalidParameters: it is none, or has too many pixels.
        """
        size, most = size_of(image), self._host.service.settings.max_image_pixels
        if size is None:
            raise refused("image", f"this is no image; send one of {', '.join(FORMATS)}")
        if size[0] * size[1] > most:
            raise refused("image", f"has more than {most} pixels (`max_image_pixels`)")
        return size

    def _masking(self) -> list[str]:
        """The models that take a mask."""
        cards = self._host.service.catalog.cards()
        return [
            card.id for family, card in cards if "mask_image" in family.params_of(card).model_fields
        ]
