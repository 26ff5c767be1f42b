"""A loaded model: where its weights are, and what it needs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Protocol, runtime_checkable

from server import quantization
from server.model_entry import Offload
from server.plugins.types import LoadContext, ModelCard, Pipeline
from server.snapshots import Weights
from server.worker import estimate
from server.worker.estimate import Estimate, Footprint
from server.worker.memory import Memory
from server.worker.offload import MODES, Decision, Mode, decide, next_lower

log = logging.getLogger(__name__)


@runtime_checkable
class Movable(Protocol):
    """A pipeline whose weights can be put elsewhere, as those of `DiffusersPipeline`."""

    def parts(self) -> Mapping[int, int]:
        """Bytes of its parts; one that it shares with another pipeline has the same key there."""

    def place(self, decision: Decision, device: str) -> None:
        """Make it ready to run on a device, as decided."""

    def park(self) -> None:
        """Bring its weights to the machine's own memory; `place` comes before it runs again."""


@dataclass(frozen=True, slots=True)
class Floor:
    """The fastest way left for images of so many pixels, after memory ran out with a faster."""

    pixels: int
    mode: Mode
    tiled: bool


class Resident:
    """A model in memory."""

    def __init__(
        self, card: ModelCard, weights: Weights, context: LoadContext, pipeline: Pipeline
    ) -> None:
        self.card = card
        self.weights = weights
        self.pipeline = pipeline
        #: Where its weights are; None: parked in RAM, or not ours to place.
        self.decision: Decision | None = None
        #: Whether it was placed since it was loaded or parked.
        self.is_ready = False
        #: Width and height in pixels of the images that it is to make.
        self.image_size = (0, 0)
        self._device = context.device
        self._quantization = _quantization(context)
        self._refused = refused(self._quantization, context.device)
        self._footprint = known_footprint(context)
        self._stored = _stored(context)
        self._floor: Floor | None = None

    @property
    def parts(self) -> Mapping[int, int]:
        """Bytes of its parts, by what identifies them among all models."""
        if isinstance(self.pipeline, Movable):
            return self.pipeline.parts()
        return {id(self.pipeline): self._stored}

    @property
    def size(self) -> int:
        """Bytes of its weights."""
        return sum(self.parts.values())

    @property
    def device_bytes(self) -> int:
        """Bytes on the device while it waits."""
        if isinstance(self.pipeline, Movable) and (
            self.decision is None or self.decision.mode != "none"
        ):
            return 0
        return self.size

    @property
    def can_park(self) -> bool:
        """Whether its weights can wait in RAM. bitsandbytes ties its numbers to the GPU."""
        return isinstance(self.pipeline, Movable) and (
            quantization.PACKAGES.get(self._quantization or "") != "bitsandbytes"
        )

    def needs(self) -> Estimate:
        """What it takes to make an image."""
        known = self._footprint or estimate.of_size(self.size, "bfloat16")
        return known.at(*self.image_size)

    def place(self, memory: Memory, host_free: int, wish: Offload) -> None:
        """Put its weights where they belong for its next image.

        Args:
            memory: the device's, with what this model has there counted as free.
            host_free: free bytes of the machine's RAM.
            wish: the offload mode, if its card does not say.
        """
        if not isinstance(self.pipeline, Movable):
            return
        floor = self._floor_now()
        decision = decide(
            self.needs(),
            self._device,
            memory,
            host_free=host_free,
            wish="auto" if floor else self.card.offload or wish,
            without=(*self._refused, *(MODES[: MODES.index(floor.mode)] if floor else ())),
            tiled=floor is not None and floor.tiled,
        )
        if self.decision is None or self.decision.mode != decision.mode:
            log.info("%s: %s", self.card.id, decision.reason)
        self.decision = decision  # also if memory runs out now: then another is taken
        self.pipeline.place(decision, self._device)

    def park(self) -> None:
        """Bring its weights to RAM."""
        assert isinstance(self.pipeline, Movable)
        self.pipeline.park()
        self.decision, self.is_ready = None, False

    def give_way(self) -> bool:
        """After memory ran out: run more savingly from this size on. False: no way is left."""
        if self.decision is None:
            return False
        lower = next_lower(self.decision, self._device, self._refused)
        if lower is not None:
            self._floor = Floor(prod(self.image_size), *lower)
        return lower is not None

    def _floor_now(self) -> Floor | None:
        floor = self._floor
        return floor if floor and prod(self.image_size) >= floor.pixels else None


def footprint(context: LoadContext) -> Footprint:
    """What the files of a model tell.

    Raises:
        OSError, ValueError: they are not in the layout of diffusers.
    """
    return estimate.of_files(
        context.path,
        context.dtype,
        context.components,
        config=context.config,
        quantization=context.quantization,
    )


def known_footprint(context: LoadContext) -> Footprint | None:
    """The same, or None: a plugin may keep its weights as it likes."""
    try:
        found = footprint(context)
    except (OSError, ValueError):
        return None
    return found if found.components else None


def refused(way: str | None, device: str) -> tuple[Mode, ...]:
    """The offload modes that do not go with a quantization on a device."""
    return tuple(m for m in MODES if quantization.refusal(way, offload=m, device=device))


def load_context(card: ModelCard, weights: Weights, device: str, dtype: str) -> LoadContext:
    """What the card's family is given to load it.

    Args:
        card: the model.
        weights: where its files lie.
        device: torch's name of the device.
        dtype: the type that suits the device.
    """
    config = weights["config"]
    return LoadContext(
        path=Path(weights["path"]),
        device=device,
        dtype=card.dtype or dtype,
        components={name: Path(path) for name, path in weights["components"].items()},
        config=None if config is None else Path(config),
        quantization=card.quantization,
        variant=card.variant,
    )


def _stored(context: LoadContext) -> int:
    """Bytes of the files that a model was loaded from."""
    places = (context.path, *context.components.values())
    files = [file for place in places for file in (place, *place.rglob("*")) if file.is_file()]
    return sum(file.stat().st_size for file in files)


def _quantization(context: LoadContext) -> str | None:
    return "gguf" if context.path.suffix.lower() == ".gguf" else context.quantization
