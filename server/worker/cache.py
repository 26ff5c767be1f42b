"""Keeps loaded models in memory: on the device, or in RAM, while they fit."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cached_property
from time import perf_counter

from server.errors import ModelLoadFailed
from server.plugins.manager import PluginManager
from server.plugins.types import ModelCard, ModelFamily, Pipeline
from server.snapshots import ModelState, Weights
from server.worker import memory
from server.worker.device import Device, choose, release_memory
from server.worker.memory import Memory
from server.worker.offload import ON_DEVICE, SHARED, gib, needed, room
from server.worker.options import WorkerOptions
from server.worker.quiet import hushed
from server.worker.residents import Resident, is_bound, known_footprint, load_context, stored

log = logging.getLogger(__name__)

#: Bytes of RAM that waiting models leave free. Assumed.
HOST_RESERVE = 2**30


class ModelCache:
    """The resident models. When room is needed, the least recently used one leaves the device for
    RAM, or RAM altogether.

    Not thread-safe: models are loaded on the generation thread.
    """

    def __init__(
        self, plugins: PluginManager, send: Callable[[ModelState], None], options: WorkerOptions
    ) -> None:
        self._plugins = plugins
        self._send = send
        self._options = options
        #: By the model's id, the most recently used last.
        self._residents: dict[str, Resident] = {}

    @cached_property
    def device(self) -> Device:
        """The device models are loaded to."""
        return choose(self._options.device)

    @property
    def _is_shared(self) -> bool:
        """Whether the device's memory is the machine's."""
        return self.device.name.partition(":")[0] in SHARED

    def find(self, model: str) -> tuple[ModelFamily, ModelCard]:
        """A model's family and card.

        Raises:
            ModelLoadFailed: no plugin announces it in this process.
        """
        try:
            return self._plugins.cards[model]
        except KeyError:
            raise ModelLoadFailed(f"No plugin announces the model `{model}`.") from None

    def holds(self, model: str, weights: Weights) -> bool:
        """Whether `model`, loaded from `weights`, is in memory."""
        resident = self._residents.get(model)
        return resident is not None and resident.weights == weights

    def get(self, model: str, weights: Weights, size: tuple[int, int] | None = None) -> Pipeline:
        """The model, loaded if need be, and ready to run.

        Args:
            model: its id.
            weights: where its files lie.
            size: width and height in pixels of the images to come; None: as the model was trained.

        Raises:
            ModelLoadFailed, PluginFailed: see `PluginManager.load_model`.
        """
        try:
            if not self.holds(model, weights):
                self._close(model)
                self._load(model, weights)
            resident = self._residents[model] = self._residents.pop(model)
            edge = resident.card.training_resolution
            resident.image_size = size or (edge, edge)
            self._place(resident)
        except Exception as error:
            if model in self._residents:
                self._residents[model].is_ready = False
            self._send(ModelState(model, "failed", str(error)))
            raise
        if not resident.is_ready:
            resident.is_ready = True
            self.tell(model)
        return resident.pipeline

    def remark(self, model: str) -> str | None:
        """What whoever asked for images should know about the way they are made."""
        if not self._residents[model].is_tiled:
            return None
        return "Memory is short: a large image is decoded in tiles, which changes it slightly."

    def relieve(self, model: str) -> bool:
        """After memory ran out: free what is not needed, and run `model` more savingly from this
        size on. False: there is nothing left to try."""
        others = [resident for name, resident in self._residents.items() if name != model]
        others = [other for other in others if other.device_bytes]
        for other in others:
            self._leave_device(other)
        resident = self._residents.get(model)
        lower = resident is not None and resident.give_way()
        release_memory()
        return bool(others) or lower

    def shortage(self, model: str) -> str:
        """What `model` is estimated to need for the images it was to make, as a sentence."""
        resident = self._residents.get(model)
        if resident is None or not resident.size:
            return ""
        decision = resident.decision or ON_DEVICE
        size = needed(resident.needs(), decision.mode, tiled=decision.vae_tiling)
        total = memory.of_device(self.device.name).total
        width, height = resident.image_size
        return (
            f"{model} needs about {gib(size)} for {width} × {height} pixels with offload "
            f"`{decision.mode}`; {self.device.name} has {gib(total)}."
        )

    def tell(self, model: str) -> None:
        """Say that a model in memory is ready to run."""
        self._send(ModelState(model, "loaded", bytes=self._residents[model].size))

    def unload(self, model: str) -> None:
        """Free `model`'s memory, if it is resident."""
        if not self._close(model):
            self._send(ModelState(model, "unloaded"))

    def clear(self) -> None:
        """Free the memory of all models."""
        for model in list(self._residents):
            self._close(model)

    def _load(self, model: str, weights: Weights) -> None:
        self._send(ModelState(model, "loading"))
        began = perf_counter()
        _, card = self.find(model)
        context = load_context(card, weights, self.device.name, self.device.dtype)
        expected = known_footprint(context)
        coming = stored(context) if expected is None else expected.weights
        self._make_host_room(coming)
        if is_bound(context):
            self._make_device_room(coming)
        with hushed():
            pipeline = self._plugins.load_model(card, context)
        self._residents[model] = Resident(card, weights, context, pipeline)
        log.info("Loaded %s in %.2f s", model, perf_counter() - began)

    def _place(self, resident: Resident) -> None:
        """Make room on the device and put the model there."""
        for other in self._residents.values():
            # Its hooks may be on parts that this model has too.
            if other is not resident and other.is_offloaded:
                self._park(other)
        self._make_device_room(needed(resident.needs(), "none", tiled=False), resident)
        host_free = memory.of_host().free
        resident.place(self._free_for(resident), host_free, self._options.offload)

    def _make_device_room(self, coming: int, guest: Resident | None = None) -> None:
        """Let models leave the device, the least recently used first, until it has room for
        `coming` bytes; what `guest` has there counts as room."""
        others = [other for other in self._residents.values() if other is not guest]
        on_device = [other for other in others if other.device_bytes]
        while on_device and coming > room(self._free_for(guest)):
            self._leave_device(on_device.pop(0))

    def _free_for(self, resident: Resident | None) -> Memory:
        """The device's memory, that of the resident's own weights counted as free."""
        found = memory.of_device(self.device.name)
        own = 0 if resident is None else resident.device_bytes
        return Memory(found.free + own, found.total)

    def _leave_device(self, resident: Resident) -> None:
        """Move a model to RAM while there is room, else close it."""
        name = resident.card.id
        movable = resident.can_park and not self._is_shared
        if movable:
            self._make_host_room(resident.device_bytes, until=name)
        if movable and _host_holds(resident.device_bytes):
            self._park(resident)
        else:
            self._close(name)

    def _park(self, resident: Resident) -> None:
        resident.park()
        release_memory()
        log.info("%s waits in RAM", resident.card.id)
        self._send(ModelState(resident.card.id, "in_ram", bytes=resident.size))

    def _make_host_room(self, coming: int, until: str | None = None) -> None:
        """Close models, the least recently used first and none from `until` on, until RAM holds
        `coming` bytes more, and the settings allow them."""
        for model, resident in list(self._residents.items()):
            is_allowed = until is not None or self._may_hold(coming)
            if model == until or (is_allowed and _host_holds(coming)):
                return
            is_elsewhere = not self._is_shared and resident.device_bytes == resident.size
            if is_allowed and is_elsewhere:
                continue  # to close it would free no RAM
            self._close(model)

    def _may_hold(self, coming: int) -> bool:
        """Whether the settings allow `coming` bytes more of weights in memory."""
        limit = self._options.model_memory
        # A part that several models share is in memory once.
        kept = {key: size for each in self._residents.values() for key, size in each.parts.items()}
        return limit is None or sum(kept.values()) + coming <= limit

    def _close(self, model: str) -> bool:
        """Free a model's memory; whether it was there."""
        resident = self._residents.pop(model, None)
        if resident is None:
            return False
        try:
            resident.pipeline.close()
        except Exception:  # a plugin's close must not keep the next model out
            log.exception("Closing the model %s failed", model)
        del resident
        release_memory()
        self._send(ModelState(model, "unloaded"))
        return True


def _host_holds(coming: int) -> bool:
    """Whether the machine's RAM holds `coming` bytes more; yes where it does not tell."""
    host = memory.of_host()
    return not host.total or coming + HOST_RESERVE <= host.free
