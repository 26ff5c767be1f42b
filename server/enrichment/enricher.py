"""The enricher: a language model where one is configured, else the templates."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from server.enrich_entry import EnrichEntry
from server.enrichment.language_model import LanguageModel, NoAnswer
from server.enrichment.styles import DEFAULT, STYLES
from server.enrichment.templates import expand
from server.enrichment.wish import MAX_LENGTH, Wish

logger = logging.getLogger(__name__)

#: The source of what the templates wrote.
TEMPLATE = "template"


@dataclass(frozen=True, slots=True)
class Enriched:
    """A prompt that was written out.

    Attributes:
        original_prompt: as it was given.
        enriched_prompt: what to generate with; by the templates it has the original word for word.
        style: the style's name.
        source: who wrote it: `template`, or the language model's name.
        warning: why the language model did not; None: it did, or none is configured.
    """

    original_prompt: str
    enriched_prompt: str
    style: str
    source: str
    warning: str | None = None


class Enricher:
    """Writes prompts out. Use it on one event loop."""

    def __init__(self, entry: EnrichEntry) -> None:
        self._model: LanguageModel | None = None
        if entry.base_url is not None and entry.model is not None:
            self._model = LanguageModel(entry.base_url, entry.model, entry)

    async def enrich(
        self, prompt: str, style: str = DEFAULT, *, limit: int = MAX_LENGTH
    ) -> Enriched:
        """Write a prompt out.

        A language model that fails is no error: the templates do it then, and `warning` says why.

        Args:
            prompt: 1 to `MAX_LENGTH` characters, not all of them space.
            style: a name in `STYLES`.
            limit: the most characters of the result, unless the prompt alone has more.

        Raises:
            InvalidParameters: the prompt or the style is not as it should be.
        """
        wish = Wish.read({"prompt": prompt, "style": style})
        chosen = STYLES[wish.style]
        warning = None
        if self._model is not None:
            try:
                text = await self._model.rewrite(prompt, chosen, limit)
                return Enriched(prompt, text, chosen.name, self._model.name)
            except NoAnswer as error:
                warning = f"The built-in templates wrote this, not the language model: {error}."
                logger.info("enriching a prompt: %s", warning)
        return Enriched(prompt, expand(prompt, chosen, limit), chosen.name, TEMPLATE, warning)
