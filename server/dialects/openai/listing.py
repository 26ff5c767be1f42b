"""The models as this API lists them."""

from __future__ import annotations

import contextlib
from typing import Any

from server.errors import ModelNotFound
from server.http.host import DialectHost


class Listing:
    """The models that clients may name."""

    def __init__(self, host: DialectHost, began: int) -> None:
        """`began`: when the server started, in seconds since 1970, which is as old as any model."""
        self._host = host
        self._began = began

    def every(self) -> dict[str, Any]:
        """The `ModelList`: the configuration's aliases, then the ids of the models that make images
        from words."""
        cards = self._host.service.catalog.cards()
        ids = [card.id for family, card in cards if family.begins_with_words(card)]
        known = dict.fromkeys([*filter(self._is_known, self._host.entry.aliases), *ids])
        return {"object": "list", "data": [self._model(name) for name in known]}

    def one(self, name: str) -> dict[str, Any]:
        """The `Model` of this name, by which it is told.

        Raises:
            ModelNotFound
        """
        if not name:
            raise ModelNotFound("There is no model without a name.")
        self._host.model(name)
        return self._model(name)

    def _is_known(self, alias: str) -> bool:
        with contextlib.suppress(ModelNotFound):
            self._host.model(alias)
            return True
        return False

    def _model(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": self._began, "owned_by": "darkroom"}
