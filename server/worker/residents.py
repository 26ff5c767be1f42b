"""A loaded model: where its weights are, and what it needs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Protocol, runtime_checkable

from server.errors import ModelLoadFailed
from server.model_entry import Offload
from server.plugins.types import LoadContext, ModelCard, Pipeline, TakesLoras
from server.quantization import PACKAGES, refusal, way_of
from server.snapshots import Weights
from server.worker import estimate
from server.worker.estimate import Estimate, Footprint
from server.worker.memory import Memory
from server.worker.offload import MODES, Decision, Mode, decide, next_lower

log = logging.getLogger(__name__)


class Placed(Protocol):
    """Where a pipeline's weights are."""

    def parts(self) -> Mapping[int, int]:
        """Bytes of its parts; one that it shares with another pipeline has the same key there."""

    def bytes_on(self, device: str) -> int:
        """Bytes of those parts that are on a device just now, whoever brought them there."""

    def place(self, decision: Decision, device: str) -> None:
        """Make it ready to run on a device, as decided."""

    def park(self) -> None:
        """Bring its weights to the machine's own memory; `place` comes before it runs again."""


@runtime_checkable
class Movable(Protocol):
    """A pipeline whose weights can be put elsewhere, as those of `DiffusersPipeline`."""

    placed: Placed


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
        self._quantization = way_of(str(context.path), context.quantization)
        self._is_bound = is_bound(context)
        self._refused = refused(self._quantization, context.device)
        self._footprint = known_footprint(context)
        self._floor: Floor | None = None
        self._placed = pipeline.placed if isinstance(pipeline, Movable) else None
        #: Bytes of its parts, by what identifies them among all models.
        self.parts: Mapping[int, int] = (
            {id(pipeline): stored(context)} if self._placed is None else self._placed.parts()
        )

    @property
    def size(self) -> int:
        """Bytes of its weights."""
        return sum(self.parts.values())

    @property
    def device_bytes(self) -> int:
        """Bytes of its weights on the device."""
        return self.size if self._placed is None else self._placed.bytes_on(self._device)

    @property
    def is_offloaded(self) -> bool:
        """Whether its weights come to the device by hooks, which nobody else's may."""
        return self.decision is not None and self.decision.mode != "none"

    @property
    def can_park(self) -> bool:
        """Whether its weights can wait in RAM. bitsandbytes ties its numbers to the GPU."""
        return self._placed is not None and not self._is_bound

    @property
    def is_tiled(self) -> bool:
        """Whether its images are decoded in tiles; those that are no larger than one are not."""
        tile = 0 if self._footprint is None else self._footprint.tile
        return (
            self.decision is not None and self.decision.vae_tiling and max(self.image_size) > tile
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

        Raises:
            ModelLoadFailed: its quantization does not go with the mode that is wished for.
        """
        if self._placed is None:
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
        if decision.mode in self._refused:  # it was wished for, and only the file tells
            way, device = self._quantization, self._device
            raise ModelLoadFailed(refusal(way, offload=decision.mode, device=device) or "")
        if self.decision is None or self.decision.mode != decision.mode:
            log.info("%s: %s", self.card.id, decision.reason)
        self.decision = decision  # also if memory runs out now: then another is taken
        self._placed.place(decision, self._device)

    def park(self) -> None:
        """Bring its weights to RAM."""
        assert self._placed is not None
        if isinstance(self.pipeline, TakesLoras):
            self.pipeline.apply_loras((), 0)  # they lie where it ran
        self._placed.park()
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


def is_bound(context: LoadContext) -> bool:
    """Whether the weights are loaded to the GPU at once, and stay there."""
    return PACKAGES.get(context.quantization or "") == "bitsandbytes"


def refused(way: str | None, device: str) -> tuple[Mode, ...]:
    """The offload modes that do not go with a quantization on a device."""
    return tuple(m for m in MODES if refusal(way, offload=m, device=device))


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


def stored(context: LoadContext) -> int:
    """Bytes of the files that a model was loaded from."""
    places = (context.path, *context.components.values())
    files = [file for place in places for file in (place, *place.rglob("*")) if file.is_file()]
    return sum(file.stat().st_size for file in files)
