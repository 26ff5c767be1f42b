"""A task's LoRAs, applied to its model for as long as its images are made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from server.errors import PluginFailed
from server.generation import Task
from server.plugins.types import LoraFile, LoraMatch, Pipeline, TakesLoras

#: How many of the modules that found no place a warning names.
_NAMED = 3


@contextmanager
def applied(pipeline: Pipeline, task: Task[Any], keep_bytes: int) -> Iterator[list[LoraMatch]]:
    """What became of the task's LoRAs, which act inside the context only.

    Args:
        pipeline: the task's model.
        task: the task.
        keep_bytes: bytes of LoRAs that may stay in memory; none do after a failure.

    Raises:
        LoraIncompatible, LoraMissing: see `TakesLoras`.
        PluginFailed: the family announces LoRAs, and its model has no way to take them.
    """
    if not task.loras:
        yield []
        return
    if not isinstance(pipeline, TakesLoras):
        raise PluginFailed(
            f"The family {task.family!r} announces LoRAs, and its model has no `apply_loras`."
        )
    kept = keep_bytes
    try:
        yield pipeline.apply_loras(_files(task), keep_bytes)
    except Exception:  # it goes on; but after any failure nothing of it stays in memory
        kept = 0
        raise
    finally:
        pipeline.apply_loras((), kept)


def report(match: LoraMatch) -> dict[str, Any]:
    """What recipes and snapshots tell of a LoRA besides its weights."""
    return {
        "matched": match.matched,
        "total": match.total,
        "text_encoder": match.text_encoder,
    }


def warnings(match: LoraMatch) -> Iterator[str]:
    """Sentences on what of a LoRA was not applied, or perhaps not as it was meant."""
    if match.unmatched:
        named = ", ".join(match.unmatched[:_NAMED])
        more = ", …" if len(match.unmatched) > _NAMED else ""
        yield (
            f"The LoRA {match.id}: {len(match.unmatched)} of its {match.total} modules were left "
            f"out, since they do not fit this model, or stand for one that another changes "
            f"({named}{more})."
        )
    if not match.alpha_known:
        yield (
            f"The LoRA {match.id} does not say its alpha: it was taken as the rank, so that the "
            "weight may mean more or less than elsewhere."
        )


def _files(task: Task[Any]) -> list[LoraFile]:
    pairs = zip(task.loras, task.lora_files, strict=True)
    return [
        LoraFile(ref.id, path, 1.0 if ref.weight is None else ref.weight) for ref, path in pairs
    ]
