"""From a request in this API's words to a job."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from starlette.requests import Request

from server.dialects.bfl import translate
from server.dialects.bfl.protocol import Order
from server.dialects.bfl.vocabulary import Vocabulary
from server.enrichment.wish import MAX_LENGTH
from server.errors import InvalidParameters, ModelNotFound
from server.http.host import DialectHost
from server.http.json_model import read_model
from server.inputs import size_of
from server.plugins.types import ModelCard
from server.snapshots import JobSnapshot
from server.webhooks.webhook import Webhook, WebhookRefused
from server.wording import shortened

#: The style that prompts are written out in.
STYLE = "enhance"

logger = logging.getLogger(__name__)


class Counter:
    """Where requests are handed in: one vocabulary at one set of addresses."""

    def __init__(self, host: DialectHost, words: Vocabulary, *, allow_private: bool) -> None:
        """`allow_private`: whether webhooks may lead to addresses that are not public."""
        self._host = host
        self._words = words
        self._allow_private = allow_private

    async def submit(self, request: Request, named: str) -> JobSnapshot:
        """Submit what a client asks of the model that it calls `named`.

        Raises:
            UnsupportedMediaType, MalformedRequest: the body is no JSON.
            ModelNotFound: with the names of those that there are.
            InvalidParameters: in this API's words.
            QueueFull, QuotaExceeded, RateLimited, ShuttingDown
        """
        try:
            order = await read_model(request, Order)
            card = self._model(named)
            kept = self._kept(request, order)
            body = {"model": card.id, **await self._parameters(order, card, kept)}
            return await self._host.submit(request, body, named=named, request=kept)
        except InvalidParameters as error:
            raise translate.in_their_words(error) from None

    def _kept(self, request: Request, order: Order) -> dict[str, Any]:
        """What to remember of a request."""
        webhook = self._webhook(order)
        return {
            "asked": order.model_dump(include={"aspect_ratio", "guidance"}, exclude_none=True),
            "output_format": order.output_format or self._words.output_format,
            "words": self._words.name,
            **({} if webhook is None else webhook.to_request()),
            **({} if webhook is None else {"base_url": self._host.base_url(request)}),
        }

    async def _parameters(
        self, order: Order, card: ModelCard, kept: dict[str, Any]
    ) -> dict[str, Any]:
        """The request in our words; what had to be changed is kept as `notes`."""
        given = translate.given_images(order)
        size = None
        if given and not (order.aspect_ratio or order.width or order.height):
            size = await asyncio.to_thread(size_of, next(iter(given.values())))
        schema = self._host.service.catalog.schema(card.id, lasting=True)
        fitted = translate.parameters(await self._written_out(order), schema, given, size)
        kept["notes"] = [*fitted.notes]
        for note in fitted.notes:
            logger.info("%s: %s", self._host.name, note)
        return fitted.body

    def _model(self, named: str) -> ModelCard:
        try:
            return self._host.model(named)[1]
        except ModelNotFound:
            known = ", ".join(sorted(self._host.model_names()))
            text = f"There is no model {shortened(named)!r}. There are: {known}."
            raise ModelNotFound(text) from None

    def _webhook(self, order: Order) -> Webhook | None:
        """
        Raises:
            InvalidParameters: nothing will be sent to the address.
        """
        if order.webhook_url is None:
            return None
        webhook = Webhook(order.webhook_url, order.webhook_secret)
        try:
            webhook.check(allow_private=self._allow_private)
        except WebhookRefused as error:
            problem = {"loc": ["webhook_url"], "msg": str(error), "type": "webhook"}
            raise InvalidParameters([problem]) from None
        return webhook

    async def _written_out(self, order: Order) -> Order:
        """The order with its prompt written out, if that is wanted and can be done."""
        if not order.prompt_upsampling or len(order.prompt) > MAX_LENGTH:
            return order
        with contextlib.suppress(InvalidParameters):  # nothing but space: it stays as it is
            found = await self._host.service.enrich(order.prompt, STYLE)
            return order.model_copy(update={"prompt": found.enriched_prompt})
        return order
