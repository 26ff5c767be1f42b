"""The models that requests may name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from server.errors import MalformedReference, ModelLoadFailed, ModelNotFound
from server.http.host import DialectHost
from server.plugins.types import ModelCard
from server.source_errors import UnsafeFile
from server.sources.kinds import Hub
from server.sources.references import parse


@dataclass(frozen=True, slots=True)
class Listed:
    """A model by one of its names. `target` is the id that the name stands for; `card` is None
    where the configuration names a model that is not installed."""

    target: str
    card: ModelCard | None

    def entry(self) -> dict[str, Any]:
        """The model as lists show it."""
        if self.card is None:
            return {"id": self.target, "description": f"{self.target} is not installed."}
        return {"id": _source(self.card), "description": self.card.description or self.card.title}

    def missing(self, name: str) -> ModelLoadFailed:
        """Why requests for a model that is not installed fail; `name` is what they call it."""
        return ModelLoadFailed(
            f"The model {name!r} is not available: it stands for {self.target!r}, which is not "
            "installed. Change `aliases`, or add the model; `darkroom models` lists those there "
            "are."
        )


def read(host: DialectHost) -> dict[str, Listed]:
    """Every name that requests may use: the configuration's, the cards' ids and their aliases.
    Models that need a given image are left out."""
    found = {}
    for name, target in host.model_names().items():
        try:
            family, card = host.service.catalog.find(target)
        except ModelNotFound:
            found[name] = Listed(target, None)
            continue
        if family.begins_with_words(card):
            found[name] = Listed(card.id, card)
    return found


def answer(listed: Mapping[str, Listed], chosen: str | None, current: str) -> dict[str, Any]:
    """The list as it is answered.

    Args:
        listed: the models by name.
        chosen: the name of the default in the configuration.
        current: the id of the current model, the default without a choice.
    """
    return {
        "models": {name: model.entry() for name, model in listed.items()},
        "default": chosen if chosen in listed else current,
    }


def _source(card: ModelCard) -> str:
    """Its repository; where it lies on this machine is nobody's business."""
    try:
        is_repository = isinstance(parse(card.source), Hub)
    except (MalformedReference, UnsafeFile):
        is_repository = False
    return card.source if is_repository else card.id
