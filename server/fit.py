"""How a model would fit into a device's memory, told without loading it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from server.catalog import ModelCatalog
from server.errors import ModelLoadFailed
from server.model_entry import Offload
from server.plugins.types import ModelCard
from server.quantization import way_of
from server.worker.estimate import Footprint, of_size
from server.worker.memory import Memory
from server.worker.offload import Decision, decide
from server.worker.residents import footprint, load_context, refused


@dataclass(frozen=True, slots=True)
class Fit:
    """What was decided for a model, and in `basis`, words for people, from what."""

    decision: Decision
    basis: str


def fit(catalog: ModelCatalog, model: str, report: Mapping[str, Any], offload: Offload) -> Fit:
    """Decide as the worker would, for an image of the size the model was trained on.

    Args:
        catalog: knows the models.
        model: one's id or alias.
        report: what the worker's `--describe` printed, with a device. The model's weights count
            as not loaded.
        offload: the setting.

    Raises:
        ModelNotFound: there is no such model.
        ModelLoadFailed: neither its weights nor their size are known, or they cannot be read.
    """
    card = catalog.find(model)[1]
    dtype = card.dtype or report["dtype"]
    needs, source = _footprint(catalog, card, dtype)
    edge = card.training_resolution
    memory = Memory(**report["memory"])
    decision = decide(
        needs.at(edge, edge),
        report["device"],
        memory,
        host_free=report["host"]["free"],
        wish=card.offload or offload,
        without=refused(way_of(card.source, card.quantization), report["device"]),
    )
    return Fit(decision, f"for {edge} x {edge} pixels in {dtype}, {source}")


def _footprint(catalog: ModelCatalog, card: ModelCard, dtype: str) -> tuple[Footprint, str]:
    try:
        weights = catalog.weights(card)
    except ModelLoadFailed:
        if not card.size_bytes:
            raise
        size = f"{card.size_bytes / 10**9:.1f} GB"
        held = "" if card.quantization is None else f" and their quantization {card.quantization}"
        return of_size(card.size_bytes, dtype, card.quantization), (
            f"guessed from the {size} that its card names{held}: its weights are not on this "
            "machine"
        )
    try:
        known = footprint(load_context(card, weights, "cpu", dtype))
    except (OSError, ValueError) as error:
        raise ModelLoadFailed(f"The weights of {card.id} cannot be read: {error}") from error
    return known, "with the weights' sizes as in its files, and the rest estimated"
